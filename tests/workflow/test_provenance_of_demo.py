"""The record beside each table."""

import hashlib
import json
import re

from tests.workflow.helpers import dry_run, jobs, snakemake

RECORD = "results/demo/provenance.json"


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_record_of_the_demo(finished):
    text = (finished / RECORD).read_text()
    record = json.loads(text)
    brought = [path for path in (finished / "data").rglob("*.*") if path.suffix == ".npy" or path.name == "meta.txt"]
    assert len(brought) == 12
    assert record["inputs"] == {str(path.relative_to(finished)): sha256(path) for path in brought}
    assert set(record["config"]["datasets"]) == {"demo", "demo_labeled"}
    assert record["config"]["knn"]["k"] == 15
    assert record["code"] == {"commit": None, "modified": None}
    stages = {
        "knn": 11,
        "pairs": 3,
        "affinity": 2,
        "train_mediator": 2,
        "score_pairs": 2,
        "vote": 2,
        "propagate": 5,
        "baseline": 12,
    }
    rules = [job["rule"] for job in record["jobs"].values()]
    assert {rule: rules.count(rule) for rule in stages} == stages
    for name, job in record["jobs"].items():
        assert job["threads"] >= 1
        assert re.fullmatch("[0-9a-f]{16}", job["source"])
        assert (finished / f"{name}.log").exists()
    assert {"numpy", "torch", "numba", "scikit-learn", "hdbscan", "leidenalg", "infomap"} <= set(record["versions"])
    assert not {"faiss-cpu", "nmslib", "gdown"} & set(record["versions"])
    assert str(finished) not in text


def test_the_same_run_gives_the_same_bytes(finished_copy):
    before = (finished_copy / RECORD).read_bytes()
    snakemake(finished_copy, RECORD, "--force")
    assert (finished_copy / RECORD).read_bytes() == before


def test_it_is_made_with_the_table_alone(finished_copy):
    for file in ("table.md", "provenance.json"):
        (finished_copy / "results/demo" / file).unlink()
    assert jobs(dry_run(finished_copy, "results/demo/table.md")[1]) == {"provenance": 1, "table": 1}


def test_a_lost_record_is_made_anew(finished_copy):
    (finished_copy / RECORD).unlink()
    assert jobs(dry_run(finished_copy)[1]) == {"provenance": 1, "table": 1, "tables": 1}
