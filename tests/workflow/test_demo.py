"""What the demo must show, and the other files of the repository that go with it."""

import csv
import json
import re
import tomllib

import numpy as np
import pytest
import yaml
from sklearn.metrics.cluster import pair_confusion_matrix

from tests.workflow.helpers import ROOT


@pytest.fixture(scope="module")
def rows(finished):
    with open(finished / "results/demo/table.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_f_rises_with_the_committee(rows):
    rows = rows[:5]
    assert [(row["strategy"], int(row["models"])) for row in rows] == [
        ("vote", 1),
        ("vote", 5),
        ("mediator", 5),
        ("mediator", 5),
        ("ground_truth", 5),
    ]
    f = [float(row["kept_f"]) for row in rows]
    assert f == sorted(f)
    assert f[3] >= 0.94


def test_every_baseline_has_real_figures(rows):
    """With the true number of clusters where that is given, none failed, none discards all or joins all."""
    assert {row["strategy"].removesuffix(" *") for row in rows[5:]} == {
        path.stem for path in (ROOT / "cdp/baselines").glob("*.py")
    } - {"__init__", "graph", "method", "radius", "seeding", "spanning_tree"}
    for row in rows[5:]:
        assert row["outcome"] == "done"
        assert 0.5 < float(row["kept_f"]) < 0.95
        assert 200 < int(row["clusters"]) < 2000
        assert row["strategy"].endswith("*") == ("n_clusters true" in row["setting"])
        assert not row["strategy"].endswith("*") or int(row["clusters"]) == 300


def test_table_against_scikit_learn(finished, rows):
    truth = np.loadtxt(finished / "data/unlabeled/demo/meta.txt", dtype=int)
    found = sorted((finished / "results/demo").rglob("meta.txt"))
    assert len(found) == len(rows)
    figures = set()
    for path in found:
        labels = np.loadtxt(path, dtype=int)
        labels[labels < 0] = -1 - np.arange((labels < 0).sum())
        (_, fp), (fn, tp) = pair_confusion_matrix(truth, labels)
        figures.add((round(tp / (tp + fp), 9), round(tp / (tp + fn), 9)))
    assert figures == {(round(float(row["kept_precision"]), 9), round(float(row["kept_recall"]), 9)) for row in rows}


def test_markdown_table(finished, rows):
    text = (finished / "results/demo/table.md").read_text()
    assert text.startswith("# demo: 10,000 samples, 300 identities\n")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 4 + len(rows)
    for table in (lines[:7], lines[7:]):
        assert len({len(line) for line in table}) == 1
        assert all(re.search(r"\d+\.\d s \|$", line) for line in table[2:])
    assert f"{100 * float(rows[3]['kept_f']):.2f}" in lines[5]


def near(one, other):
    """Whether cells of a table are equal, or percentages that differ by a point and a half at most."""
    figures = [float(cell) for cell in (one, other) if re.fullmatch(r" +\d+\.\d\d +", cell)]
    return one == other or (len(figures) == 2 and abs(figures[0] - figures[1]) <= 1.5)


def test_table_in_readme_and_in_docs(finished):
    """All but the times, of which a row of the experiments ends in three, one of a baseline in two.

    Eigenvectors follow how a machine rounds, so the figures of spectral are nearly equal.
    """
    shown, made = (
        [
            line.split("|")[1:-4] if line.count("|") == 15 else line.split("|")[1:-3]
            for line in text.splitlines()
            if line.count("|") in (12, 15) and not line.startswith(("| strategy", "| baseline", "|--"))
        ]
        for text in (
            (ROOT / "README.md").read_text() + (ROOT / "docs/baselines.md").read_text(),
            (finished / "results/demo/table.md").read_text(),
        )
    )
    assert len(made) == len(shown) == 17
    for documented, computed in zip(shown, made, strict=True):
        if documented[0].strip() == "spectral *":
            assert all(map(near, documented, computed)), (documented, computed)
        else:
            assert documented == computed


def test_thresholds_are_those_of_the_labelled_sweeps(finished):
    experiments = yaml.safe_load((ROOT / "config/datasets/demo.yaml").read_text())["experiments"]
    folder = finished / "results/demo_labeled"
    for experiment, sweep in zip(
        experiments[:4],
        ["single/k15_vote_accept0", "all/k15_vote_accept1", "all/k15_mediator_110", "all/k15_mediator_111"],
        strict=True,
    ):
        with open(folder / f"{sweep}_sweep/sz600_step0.05/sweep.csv", newline="") as file:
            sweeps = [row for row in csv.DictReader(file) if row["f"] != "n/a"]
        assert len(sweeps) >= 30
        best = max(sweeps, key=lambda row: float(row["f"]))
        assert float(best["threshold"]) == float(experiment["threshold"])


def test_experiments_share_their_files(finished):
    results = finished / "results/demo"
    assert len(list(results.rglob("knn/*_k15.npz"))) == 5
    assert [path.name for path in results.rglob("knn/*_k80.npz")] == ["mobilenet_k80.npz"]
    assert len(list(results.rglob("pairs.npz"))) == 2
    assert len(list(results.rglob("affinity.npy"))) == 1


def test_label_weights(finished):
    folder = finished / "results/demo/all/k15_mediator_111_th0.9862/sz600_step0.05"
    labels = np.loadtxt(folder / "meta.txt", dtype=int)
    with np.load(folder / "soft_labels.npz", allow_pickle=False) as soft:
        rows = np.repeat(np.arange(len(labels)), np.diff(soft["indptr"]))
        assert tuple(soft["shape"]) == (len(labels), labels.max() + 1)
        sums = np.bincount(rows, weights=soft["data"], minlength=len(labels))
        np.testing.assert_allclose(sums, labels >= 0, atol=1e-5)
        own = soft["data"][soft["indices"] == labels[rows]]
    assert len(own) == (labels >= 0).sum()
    assert own.min() > 0


def test_evaluation_says_what_the_metrics_rest_on(finished):
    for path in (finished / "results/demo").rglob("evaluation.json"):
        figures = json.loads(path.read_text())
        assert figures["samples"] == 10_000
        assert figures["identities"] == 300
        if "baselines" not in path.parts:
            assert 0.9 < figures["pair_accuracy"] <= 1


def test_logs_and_benchmarks_lie_beside_outputs(finished):
    for path in [*finished.rglob("results/**/*.npz"), *finished.rglob("results/**/meta.txt")]:
        assert path.with_suffix(".log").exists()
        assert path.with_suffix(".benchmark.jsonl").exists()


def pins():
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_conda_environment_agrees_with_the_pins():
    environment = yaml.safe_load((ROOT / "envs/cdp.yaml").read_text())
    pip = next(entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    conda = dict(line.split("==") for line in pip)
    direct = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert set(conda) == {re.match(r"[A-Za-z0-9-]+", requirement)[0] for requirement in direct}
    assert conda == {name: pins()[name] for name in conda}
    assert pins()["torch"] == (ROOT / "envs/torch.txt").read_text().strip().removeprefix("torch==")


def test_no_run_blocks_and_every_rule_declares_its_parts():
    text = "\n".join(path.read_text() for path in [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")])
    assert not re.search(r"^\s*run:", text, re.MULTILINE)
    assert "checkpoint" not in text
    rules = dict(re.findall(r"^rule (\w+):\n((?:(?:    .*)?\n)+)", text, re.MULTILINE))
    assert len(rules) >= 14
    for name, body in rules.items():
        if "script:" in body:
            parts = ("input", "output", "log", "benchmark", "threads", "resources", "params")
            missing = {part for part in parts if not re.search(rf"^    {part}:", body, re.MULTILINE)}
            assert missing <= ({"input"} if name in ("fetch_emore", "synthetic_labels") else set()), name
            assert "source_hash(" in body, name
