"""What breaks in the middle, and files that change behind its back: no wrong result is left that looks finished."""

import os
import re
import shutil
import subprocess
import sys
import time
from base64 import urlsafe_b64encode

import numpy as np
import pytest
import yaml

from tests.workflow.helpers import copy_repository, dry_run, edit_yaml, jobs, made, snakemake, start, wait_for

pytestmark = pytest.mark.xdist_group("faults")  # made once

EXPERIMENT = {"strategy": "vote", "committee": "all", "accept": 1, "threshold": "0.7"}
AUTO = EXPERIMENT | {"threshold": "auto"}
SETTINGS = {
    "models": ["a", "b", "c"],
    "committees": {"all": {"base": "a", "members": ["b", "c"]}},
    "experiments": [EXPERIMENT, AUTO],
    "baselines": {"knn_dbscan": {"eps": 0.7, "min_samples": 2}},
}
TABLE = {"provenance": 1, "table": 1, "tables": 1}
RESULTS = "results/small"
CLUSTERS = "all/k15_vote_accept1_th0.7/sz600_step0.05"
CHOSEN = "all/k15_vote_accept1_thauto/sz600_step0.05"


def draw(folder, model, seed):
    """2,000 samples of 100 groups; the seed chooses where these are."""
    generator = np.random.default_rng(seed)
    features = generator.normal(size=(100, 16)).repeat(20, axis=0) + 0.4 * generator.normal(size=(2000, 16))
    np.save(folder / f"data/unlabeled/small/features/{model}.npy", features.astype(np.float32))


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A project with the table of a small data set, not to be changed."""
    folder = copy_repository(tmp_path_factory.mktemp("faults") / "done")
    (folder / "data/unlabeled/small/features").mkdir(parents=True)
    for seed, model in enumerate("abc"):
        draw(folder, model, seed)
    (folder / "data/unlabeled/small/meta.txt").write_text("".join(f"{i // 20}\n" for i in range(2000)))
    (folder / "config/datasets/small.yaml").write_text(yaml.safe_dump(SETTINGS))
    edit_yaml(folder / "config/config.yaml", lambda config: config.update(tables=["small"]))
    snakemake(folder)
    return folder


@pytest.fixture
def fresh(done, tmp_path):
    """Without results, but with compiled code."""
    return shutil.copytree(done, tmp_path / "fresh", ignore=shutil.ignore_patterns("results", ".snakemake"))


@pytest.fixture
def finished_small(done, tmp_path):
    return shutil.copytree(done, tmp_path / "finished")


def sentence(output):
    found = {line for line in output.splitlines() if line.startswith("error: ")}
    assert "Traceback" not in output, output
    assert len(found) == 1, output
    return found.pop()


def in_own_mounts(folder, script):
    """A shell script that may mount file systems, for itself alone; its output."""
    shell = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "bash", "-c"]
    trial = subprocess.run([*shell, "mount -t tmpfs tmpfs /mnt"], capture_output=True, check=False)
    if trial.returncode:
        pytest.skip(f"no file system can be mounted here: {trial.stderr.decode().strip()}")
    run = f"run() {{ {sys.executable} -m snakemake; echo exit $?; }}; cd {folder}; {script}"
    environment = os.environ | {"PYTHONPATH": str(folder)}
    done = subprocess.run([*shell, run], env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.stdout


def test_full_disk(done, fresh):
    (fresh / "results").mkdir()
    output = in_own_mounts(
        fresh,
        "mount -t tmpfs -o size=500k tmpfs results; run; find results -name '*.npz'; echo MORE ROOM; "
        "mount -o remount,size=50m results; run; mkdir kept; cp -r results kept",
    )
    full, more = output.split("MORE ROOM")
    assert "exit 1" in full
    assert "no room left on the disk to write results/small/" in sentence(full)
    assert "make room and run again" in full
    assert len(re.findall(r"\n(results/.*npz)", full)) < 4
    assert "exit 0" in more
    assert made(fresh / "kept") == made(done)


def test_read_only_file_system(done, finished_small):
    edit_yaml(finished_small / "config/datasets/small.yaml", lambda c: c["experiments"][0].update(threshold="0.8"))
    output = in_own_mounts(finished_small, "mount --bind results results; mount -o remount,ro,bind results; run")
    assert "exit 1" in output
    assert sentence(output) == "error: results is not writable; make it so, or run in another folder with --directory"
    assert made(finished_small) == made(done)


def damage(path, kind):
    """As a failing disk does it, which leaves the date as it is; a flipped bit the size as well."""
    content, status = bytearray(path.read_bytes()), path.stat()
    if kind == "bit":
        content[len(content) // 3] ^= 4
    else:
        del content[len(content) // 2 :]
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize(
    ("file", "kind", "user"),
    [
        ("features/a.json", "bit", "provenance.json"),
        ("knn/b_k15.npz", "bit", "all/k15/pairs.npz"),
        ("knn/c_k15.json", "bit", "table.md"),
        ("all/k15/pairs.npz", "cut", "all/k15/scores_vote_accept1.npy"),
        ("all/k15/scores_vote_accept1.npy", "bit", f"{CLUSTERS}/meta.txt"),
        ("all/k15/scores_vote_accept1.npy", "cut", f"{CHOSEN}/threshold.json"),
        (f"{CLUSTERS}/meta.txt", "cut", f"{CLUSTERS}/evaluation.json"),
        (f"{CLUSTERS}/evaluation.json", "bit", "table.md"),
        (f"{CHOSEN}/threshold.json", "bit", f"{CHOSEN}/meta.txt"),
        (f"{CHOSEN}/threshold.json", "bit", "table.md"),
        ("baselines/knn_dbscan/outcome.json", "cut", "baselines/knn_dbscan/evaluation.json"),
    ],
)
def test_damaged_file(file, kind, user, finished_small):
    path, result = finished_small / RESULTS / file, finished_small / RESULTS / user
    damage(path, kind)
    result.unlink()
    broken = snakemake(finished_small, f"{RESULTS}/{user}", check=False)
    assert broken.returncode == 1
    assert sentence(broken.stdout).startswith(f"error: {RESULTS}/{file} is damaged (")
    assert not result.exists()


def test_damaged_graph_of_pairs_and_a_baseline(done, finished_small):
    """What could not be computed for it is, once the graph was made anew."""
    results = finished_small / RESULTS
    graph, baseline = results / "knn/a_k15.npz", results / "baselines/knn_dbscan/outcome.json"
    damage(graph, "cut")
    targets = [path.relative_to(finished_small) for path in (graph, results / "all/k15/pairs.npz", baseline)]
    for path in targets[1:]:
        (finished_small / path).unlink()
    broken = snakemake(finished_small, *targets[1:], "--keep-going", check=False)
    assert sentence(broken.stdout).startswith(f"error: {RESULTS}/knn/a_k15.npz is damaged (")
    assert "a_k15.npz is damaged" in baseline.read_text()
    graph.unlink()
    snakemake(finished_small, *targets, "tables")
    assert made(finished_small) == made(done)


def test_two_runs_at_once(done, fresh):
    first = start(fresh)
    wait_for(first, "kNN graph of")
    second = snakemake(fresh, check=False)
    assert second.returncode == 1
    assert "Traceback" not in second.stdout
    assert re.search(r"cannot be locked|being run", second.stdout)
    assert "--unlock" in second.stdout
    assert "Finished jobid" not in second.stdout
    first.communicate()
    assert first.returncode == 0
    assert made(fresh) == made(done)


def test_files_from_the_future(fresh):
    """Refused before anything is computed: what is made of them would seem to be older."""
    for path in ("features/b.npy", "meta.txt"):
        os.utime(fresh / "data/unlabeled/small" / path, (time.time() + 86400,) * 2)
        ready, output = dry_run(fresh)
        assert not ready
        assert re.match(rf"error: data/unlabeled/small/{path} is dated 20.*, which is in the future;", sentence(output))
        os.utime(fresh / "data/unlabeled/small" / path)
    assert dry_run(fresh)[0]


def test_touched_files(done, finished_small):
    """In any order, with dates from long ago to tomorrow; at worst there is work to do again."""
    files = sorted((finished_small / "results").rglob("[!.]*.*"))
    for path, days in zip(files, np.random.default_rng(0).uniform(-9, 1, len(files)), strict=True):
        os.utime(path, (time.time() + 86400 * days,) * 2)
    snakemake(finished_small)
    assert made(finished_small) == made(done)


def test_replaced_by_files_of_an_older_date(finished_small):
    """Such as come out of an archive, or of a copy that keeps dates."""
    features = finished_small / "data/unlabeled/small/features/b.npy"
    draw(finished_small, "b", seed=7)
    os.utime(features, (features.stat().st_mtime - 86400,) * 2)
    planned = jobs(dry_run(finished_small)[1])
    assert planned["check_features"] == planned["knn"] == planned["pairs"] == 1
    labels = finished_small / "data/unlabeled/small/meta.txt"
    labels.write_text("".join(f"{i // 10}\n" for i in range(2000)))
    os.utime(labels, (labels.stat().st_mtime - 86400,) * 2)
    planned = jobs(dry_run(finished_small)[1])
    assert (planned["evaluate"], planned["evaluate_baseline"]) == (2, 1)


def test_power_loss(done, finished_small):
    """What is written without being forced to the disk is empty or cut then: records, code, times, checksums."""
    records = [
        finished_small / ".snakemake/metadata" / urlsafe_b64encode(name.encode()).decode() for name in made(done)
    ]
    assert dry_run(finished_small)[1].count("Nothing to be done")
    compiled = list(finished_small.rglob("cdp/**/ordered.*.nb[ci]"))
    assert len(compiled) > 1
    for path in records[1::2]:
        path.write_bytes(path.read_bytes()[:200])
    unforced = [*finished_small.rglob("*.crc32"), *finished_small.rglob("*.benchmark.jsonl")]
    for path in [*records[::2], *compiled, *unforced]:
        path.write_bytes(b"")
    planned = jobs(dry_run(finished_small)[1])
    assert planned["check_features"] == planned["knn"] == 3
    snakemake(finished_small)
    assert made(finished_small) == made(done)
    assert jobs(dry_run(finished_small)[1]) == {}


def test_config_edited_while_running(done, fresh):
    """The run goes on with what it began with; the next one takes up the edit."""
    run = start(fresh)
    wait_for(run, "kNN graph of")
    edit_yaml(fresh / "config/config.yaml", lambda config: config["propagation"].update(max_iter=1))
    run.communicate()
    assert run.returncode == 0
    assert made(fresh) == made(done)
    assert jobs(dry_run(fresh)[1]) == {"choose_threshold": 1, "propagate": 2, "evaluate": 2} | TABLE


def test_input_that_changes_while_it_is_read(tmp_path):
    code = """
from types import SimpleNamespace
from scripts.job import run
open("a.npy", "w").write("old")
job = SimpleNamespace(input=["a.npy"], output=["b.npy"], log=["b.log"], threads=1)
run(lambda job: open("a.npy", "w").write("newer"), job)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.getcwd()},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 1
    assert done.stderr == "b.npy: error: a.npy was changed while it was read; run again\n"
