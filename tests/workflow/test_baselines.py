"""Baselines as the workflow runs them: rows for all, also for those that fail; what is run again; mistakes."""

import csv
import json

import numpy as np
import pytest
import yaml

from tests.workflow.helpers import dry_run, edit_yaml, jobs, snakemake
from tests.workflow.test_bad_input import refusal

BASELINES = {
    "kmeans": {"n_clusters": True},
    "minibatch_kmeans": {"n_clusters": 6},
    "spectral": {"n_clusters": True, "k": 6},
    "hac": {"n_clusters": True},
    "fast_hac": {"distance": 0.6},
    "tight": {"method": "fast_hac", "distance": 0.001, "model": "b"},
    "dbscan": {"eps": 0.6, "min_samples": 4},
    "hdbscan": {"min_cluster_size": 5},
    "knn_dbscan": {"eps": 0.6, "min_samples": 4},
    "approx_rank_order": {"threshold": 0.5},
    "chinese_whispers": {"threshold": 0.5},
    "infomap": {"threshold": 0.5},
    "leiden": {"threshold": 0.5, "resolution": 0.1},
}
AGAIN = {"baseline": 1, "evaluate_baseline": 1, "provenance": 1, "table": 1, "tables": 1}


@pytest.fixture
def tiny(code):
    """60 samples in 6 tight groups, each far from the others; no experiments but one."""
    folder = code / "data/unlabeled/tiny"
    (folder / "features").mkdir(parents=True)
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(6), 10)
    for model in "ab":
        features = np.eye(6, 8)[groups] + 0.05 * generator.normal(size=(60, 8))
        np.save(folder / f"features/{model}.npy", features.astype(np.float32))
    (folder / "meta.txt").write_text("".join(f"{g}\n" for g in groups))
    entry = {
        "models": ["a", "b"],
        "committees": {"single": {"base": "a"}},
        "experiments": [{"strategy": "vote", "committee": "single", "threshold": "0.5"}],
        "baselines": BASELINES,
    }
    (code / "config/datasets/tiny.yaml").write_text(yaml.safe_dump(entry, sort_keys=False))
    edit_yaml(code / "config/config.yaml", lambda config: config.update(tables=["tiny"]))
    return code


def outcomes(folder):
    return {
        path.parent.name: json.loads(path.read_text())["outcome"]
        for path in (folder / "results/tiny/baselines").glob("*/outcome.json")
    }


def rows(folder):
    with open(folder / "results/tiny/table.csv") as file:
        return {row["strategy"]: row for row in csv.DictReader(file)}


def test_every_method_has_its_row_and_is_run_again_when_its_own_setting_changes(tiny):
    snakemake(tiny, "results/tiny/cdp.md")
    assert not (tiny / "results/tiny/baselines").exists()
    alone = (tiny / "results/tiny/cdp.md").read_text()
    assert "Baselines" not in alone
    snakemake(tiny)
    assert outcomes(tiny) == dict.fromkeys(BASELINES, "done")
    text = (tiny / "results/tiny/table.md").read_text()
    assert text.split("## Baselines")[0].splitlines()[:5] == alone.splitlines()[:5]
    found = rows(tiny)
    given = {"kmeans *", "spectral *", "hac *"}
    assert set(found) == {"vote"} | given | (set(BASELINES) - {name[:-2] for name in given})
    assert found["tight"]["setting"] == "fast_hac b distance 0.001"
    assert found["knn_dbscan"]["setting"] == "eps 0.6 k 15 min_samples 4"
    assert int(found.pop("tight")["clusters"]) == 60
    expected = "".join(f"{g}\n" for g in np.repeat(np.arange(6), 10))
    for name, row in found.items():
        assert float(row["kept_f"]) == pytest.approx(1), name
        assert int(row["clusters"]) == 6, name
        if name != "vote":
            assert (tiny / f"results/tiny/baselines/{name.removesuffix(' *')}/meta.txt").read_text() == expected, name
    assert jobs(dry_run(tiny)[1]) == {}

    def change(config):
        config["baselines"]["dbscan"]["eps"] = 0.5

    edit_yaml(tiny / "config/datasets/tiny.yaml", change)
    assert jobs(dry_run(tiny)[1]) == AGAIN
    snakemake(tiny)
    with open(tiny / "cdp/baselines/dbscan.py", "a") as file:
        file.write("\n\nCHANGED = 1\n")
    assert jobs(dry_run(tiny)[1]) == AGAIN


def test_baselines_that_fail_have_rows_that_say_so_and_are_not_tried_again(tiny):
    crash = tiny / "cdp/baselines/chinese_whispers.py"
    crash.write_text("import os\n\n\ndef chinese_whispers(neighbors, **settings):\n    os.abort()\n")
    hungry = tiny / "cdp/baselines/leiden.py"
    hungry.write_text("import numpy as np\n\n\ndef leiden(neighbors, **settings):\n    np.ones(10**10)\n")
    slow = tiny / "cdp/baselines/infomap.py"
    slow.write_text("import time\n\n\ndef infomap(neighbors, **settings):\n    time.sleep(600)\n")

    def change(config):
        kept = ("fast_hac", "chinese_whispers", "leiden", "infomap")
        config["baselines"] = {name: config["baselines"][name] for name in kept}
        config["baselines"]["kmeans"] = {"n_clusters": 61}

    edit_yaml(tiny / "config/datasets/tiny.yaml", change)
    edit_yaml(tiny / "config/config.yaml", lambda config: config.update(baselines={"max_seconds": 20, "max_mb": 4000}))
    snakemake(tiny)
    found = outcomes(tiny)
    assert found.pop("kmeans").startswith("failed: n_clusters")
    assert found == {
        "fast_hac": "done",
        "chinese_whispers": "killed (SIGABRT)",
        "leiden": "out of memory (4 GB)",
        "infomap": "over 20 s",
    }
    text = (tiny / "results/tiny/table.md").read_text()
    for outcome in found.values():
        assert outcome == "done" or f": {outcome} " in text
    assert rows(tiny)["leiden"]["kept_f"] == "n/a"
    assert (tiny / "results/tiny/baselines/leiden/meta.txt").read_text() == ""
    assert jobs(dry_run(tiny)[1]) == {}

    def change_one(config):
        config["baselines"]["leiden"]["resolution"] = 0.2

    edit_yaml(tiny / "config/datasets/tiny.yaml", change_one)
    assert jobs(dry_run(tiny)[1]) == AGAIN


@pytest.mark.parametrize(
    ("baselines", "words"),
    [
        ({"dbscn": {}}, ["datasets.tiny.baselines.dbscn.method is 'dbscn'", "allowed: ", "dbscan"]),
        ({"dbscan": {"eps": 0.5}}, ["datasets.tiny.baselines.dbscan", "'min_samples' is missing; give it a value"]),
        ({"dbscan": None}, ["datasets.tiny.baselines.dbscan", "is missing; give it a value"]),
        ({"other": {"method": ["dbscan"]}}, ["datasets.tiny.baselines.other.method is ['dbscan']", "allowed: "]),
        ({"fast_hac": {"distance": float("nan")}}, ["baselines.fast_hac.distance is nan; it must be a number"]),
        ({"knn_dbscan": {"eps": 0.5, "min_samples": 20}}, ["knn_dbscan.min_samples is 20", "at most k, the 15"]),
        ({"fast_hac": {"distance": 1, "published": {"f": 83}}}, ["fast_hac.published", "either an outcome, or all of"]),
        ({"dbscan": {"eps": 0.5, "min_sample": 4}}, ["unknown key 'min_sample'", "did you mean 'min_samples'?"]),
        ({"dbscan": {"eps": 0.5, "min_samples": 4, "k": 9}}, ["unknown key 'k'", "datasets.tiny.baselines.dbscan"]),
        ({"kmeans": {"n_clusters": False}}, ["baselines.kmeans.n_clusters is False", "true for that of the labels"]),
        ({"fast_hac": {"distance": 1, "model": "c"}}, ["baselines.fast_hac.model is 'c'", "declared: a, b"]),
        ({"../out": {"method": "dbscan"}}, ["../out"]),
    ],
)
def test_mistakes(tiny, baselines, words):
    edit_yaml(tiny / "config/datasets/tiny.yaml", lambda config: config.update(baselines=baselines))
    sentence = refusal(tiny, "-n")
    assert all(word in sentence for word in words), sentence


def test_true_number_needs_labels(tiny):
    (tiny / "data/unlabeled/tiny/meta.txt").unlink()
    sentence = refusal(tiny, "-n")
    assert "data/unlabeled/tiny/meta.txt is missing" in sentence
    assert "n_clusters true" in sentence


def test_unknown_baseline_is_refused(tiny):
    assert "no baseline 'other'; it has: kmeans" in refusal(tiny, "-n", "results/tiny/baselines/other/meta.txt")
