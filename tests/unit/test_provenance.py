import hashlib
import json
import platform
import subprocess

import numpy as np
import pytest

from cdp.provenance import code_version, provenance, versions


@pytest.fixture
def git(tmp_path):
    """Runs git in a folder that holds a Snakefile."""
    (tmp_path / "Snakefile").write_text("rule all: pass\n")

    def run(*arguments):
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
        done = subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    return run


def test_code_without_repository(tmp_path):
    assert code_version(tmp_path) == {"commit": None, "modified": None}


def test_code_in_the_repository_of_something_else(tmp_path, git):
    git("init", "-q")
    (tmp_path / "diary").touch()
    git("add", "diary")
    git("commit", "-qm", "diary")
    assert code_version(tmp_path) == {"commit": None, "modified": None}


def test_code_as_committed_and_modified(tmp_path, git):
    git("init", "-q")
    git("add", "Snakefile")
    git("commit", "-qm", "first")
    commit = git("rev-parse", "HEAD")
    (tmp_path / "untracked").touch()
    assert code_version(tmp_path) == {"commit": commit, "modified": False}
    (tmp_path / "Snakefile").write_text("rule all: input: []\n")
    assert code_version(tmp_path) == {"commit": commit, "modified": True}


def test_code_without_git(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert code_version(tmp_path) == {"commit": None, "modified": None}


def test_versions_by_the_name_under_which_one_installs(tmp_path):
    found = versions(["sklearn", "numpy", "no_such_thing"])
    assert list(found) == ["no_such_thing", "numpy", "scikit-learn"]
    assert found["numpy"] == np.__version__
    assert found["no_such_thing"] is None


def test_record(tmp_path):
    check, labels, knn = (str(tmp_path / name) for name in ("a.json", "meta.txt", "knn.benchmark.jsonl"))
    (tmp_path / "a.json").write_text('{"samples": 3, "dim": 2, "sha256": "abc"}')
    (tmp_path / "meta.txt").write_bytes(b"0\n1\n")
    old, new = {"s": 1, "threads": 1}, {"s": 2, "rule_name": "knn", "threads": 4, "params": {"source": "12ab"}}
    (tmp_path / "knn.benchmark.jsonl").write_text(f"{json.dumps(old)}\n{json.dumps(new)}\n")
    record = provenance(
        config={"knn": {"k": 15}},
        features={"data/a.npy": check},
        labels=[labels],
        benchmarks=[knn, str(tmp_path / "gone.benchmark.jsonl")],
        packages=["numpy"],
    )
    assert record["inputs"] == {"data/a.npy": "abc", labels: hashlib.sha256(b"0\n1\n").hexdigest()}
    job = {"rule": "knn", "source": "12ab", "threads": 4}
    assert record["jobs"] == {str(tmp_path / "knn"): job, str(tmp_path / "gone"): None}
    assert record["config"] == {"knn": {"k": 15}}
    assert record["versions"]["python"] == platform.python_version()
    assert {"cdp", "numpy", "snakemake"} < set(record["versions"])


def test_benchmarks_of_another_form_say_what_they_can(tmp_path):
    (tmp_path / "knn.benchmark.jsonl").write_text('{"s": 2.5}\n')
    path = str(tmp_path / "knn.benchmark.jsonl")
    record = provenance(config={}, features={}, labels=[], benchmarks=[path], packages=[])
    assert record["jobs"] == {str(tmp_path / "knn"): {"rule": None, "source": None, "threads": None}}
