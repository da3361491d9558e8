"""The report of the demo: its page, its figures and their numbers, and what makes them stale."""

import csv
import os
import re
import shutil
from collections import Counter

import numpy as np
import pytest
import yaml
from sklearn.calibration import calibration_curve
from sklearn.metrics.cluster import pair_confusion_matrix

from tests.browser import CHROMIUM, browser
from tests.unit.pages import check_page
from tests.workflow.helpers import ROOT, dry_run, edit_yaml, jobs, snakemake

pytestmark = pytest.mark.xdist_group("report")  # made once

PAGE = "results/demo/report/index.html"
FIGURES = {
    "precision_recall", "f_threshold", "cluster_sizes", "risk_coverage", "calibration", "quality_time", "stage_times",
    "knn_recall",
}  # fmt: skip
MEDIATOR = "results/demo/all/k15_mediator_111_th0.9862/sz600_step0.05"


@pytest.fixture(scope="module")
def reported(finished, tmp_path_factory):
    folder = shutil.copytree(finished, tmp_path_factory.mktemp("report") / "copy")
    snakemake(folder, PAGE)
    return folder


@pytest.fixture
def editable(reported):
    """The same, with config, code and data as they were once the test is over."""
    parts = [path for part in ("config", "cdp", "scripts") for path in (reported / part).rglob("*") if path.is_file()]
    originals = {path: path.read_bytes() for path in parts}
    yield reported
    for path, content in originals.items():
        if path.read_bytes() != content:
            path.write_bytes(content)


def rows(folder, figure):
    with open(folder / f"results/demo/figures/{figure}.csv", newline="") as file:
        return list(csv.DictReader(file))


def numbers(path):
    return np.loadtxt(path, dtype=int)


@pytest.fixture(scope="module")
def truth(reported):
    return numbers(reported / "data/unlabeled/demo/meta.txt")


def test_page(reported):
    text = (reported / PAGE).read_text()
    page = check_page(text)
    assert len(text) < 2_000_000
    assert {element["id"] for element in page.all("section")} == FIGURES | {"terms"}
    table = (reported / "results/demo/table.csv").read_text().splitlines()
    assert len(page.all("tr")) == 2 + len(table) - 1
    tags = [element["tag"] for element in page.elements]
    assert tags.index("table") < tags.index("svg")
    assert next(element for element in page.elements if "id" in element and element["tag"] == "section")["id"] == (
        "precision_recall"
    )


def test_every_figure_has_its_numbers(reported):
    folder = reported / "results/demo/figures"
    for end in ("svg", "csv"):
        assert {path.stem for path in folder.glob(f"*.{end}")} == FIGURES


def test_points_of_precision_and_recall(reported, truth):
    found = {
        (row["kind"], row["series"], row["threshold"]): (float(row["precision"]), float(row["recall"]))
        for row in rows(reported, "precision_recall")
    }
    assert len({key for key in found if key[0] == "baseline"}) == 12
    for key, file in {
        ("experiment", "all: mediator 111", "0.9862"): f"{MEDIATOR}/meta.txt",
        ("baseline", "dbscan", "n/a"): "results/demo/baselines/dbscan/meta.txt",
    }.items():
        labels = numbers(reported / file)
        labels[labels < 0] = -1 - np.arange((labels < 0).sum())
        (_, fp), (fn, tp) = pair_confusion_matrix(truth, labels)
        assert found[key] == pytest.approx((tp / (tp + fp), tp / (tp + fn)))


def test_curves_have_a_top_at_about_the_chosen_threshold(reported):
    for series in ("single: vote accept0", "all: vote accept1", "all: mediator 110", "all: mediator 111"):
        part = [row for row in rows(reported, "f_threshold") if row["series"] == series]
        best = max(float(row["f"]) for row in part if row["kind"] == "sweep")
        (chosen,) = [float(row["f"]) for row in part if row["kind"] == "experiment"]
        assert best - 0.03 < chosen < best + 0.01
        assert len(part) > 30


def test_calibration_against_scikit_learn(reported, truth):
    folder = reported / "results/demo/all/k15"
    pairs = np.load(folder / "pairs.npz")["pairs"]
    same = truth[pairs[:, 0]] == truth[pairs[:, 1]]
    share, mean = calibration_curve(same, np.load(folder / "scores_mediator_111.npy"), n_bins=10)
    part = [row for row in rows(reported, "calibration") if row["series"] == "all: mediator 111"]
    np.testing.assert_allclose([float(row["share"]) for row in part], share)
    np.testing.assert_allclose([float(row["probability"]) for row in part], mean, rtol=1e-4)
    assert sum(int(row["pairs"]) for row in part) == len(pairs)


def test_sizes_add_up(reported, truth):
    series = {}
    for row in rows(reported, "cluster_sizes"):
        series.setdefault(row["series"], {})[int(row["size"])] = int(row["clusters"])
    assert len(series) == 6
    assert all(sum(size * count for size, count in part.items()) == 10_000 for part in series.values())
    assert series["truth"] == Counter(Counter(truth.tolist()).values())
    labels = numbers(reported / MEDIATOR / "meta.txt")
    assert sum(series["all: mediator 111"].values()) == labels.max() + 1 + (labels < 0).sum()


def test_confidence_finds_mistakes(reported, truth):
    """Its area is well below the risk that no confidence at all has; the end of the curve is that risk."""
    labels = numbers(reported / MEDIATOR / "meta.txt")
    clustered = labels >= 0
    impurity = [1 - np.mean(truth[labels == label] == identity) for label, identity in zip(labels, truth, strict=True)]
    risk = np.mean(np.array(impurity)[clustered])
    part = [row for row in rows(reported, "risk_coverage") if row["series"] == "all: mediator 111"]
    assert float(part[-1]["risk"]) == pytest.approx(risk)
    assert float(part[-1]["coverage"]) == 1
    assert float(part[0]["area"]) == pytest.approx(np.mean([float(row["risk"]) for row in part]))
    assert float(part[0]["area"]) < risk / 3


def test_confidence_lies_beside_the_clusters(reported):
    labels = numbers(reported / MEDIATOR / "meta.txt")
    with np.load(reported / MEDIATOR / "confidence.npz", allow_pickle=False) as found:
        samples, clusters = found["samples"], found["clusters"]
    assert (len(samples), len(clusters)) == (len(labels), labels.max() + 1)
    assert (samples[labels < 0] == 0).all()
    assert 0 < np.median(clusters) <= clusters.max() <= 1


def test_times_and_recalls(reported):
    stages = {(row["series"], row["stage"]): row["seconds"] for row in rows(reported, "stage_times")}
    assert ("all: mediator 111", "affinity") in stages
    assert ("all: vote accept1", "affinity") not in stages
    with open(reported / "results/demo/table.csv", newline="") as file:
        totals = {row["setting"]: float(row["total_seconds"]) for row in csv.DictReader(file)}
    total = sum(float(seconds) for (series, _), seconds in stages.items() if series == "all: vote accept1")
    assert total == pytest.approx(totals["k15 accept1 th0.7534"])
    models = yaml.safe_load((ROOT / "config/datasets/demo.yaml").read_text())["models"]
    assert [(row["model"], row["k"], float(row["recall"])) for row in rows(reported, "knn_recall")] == [
        (model, "15", 1.0) for model in models
    ]


def planned(folder, target=PAGE):
    well, text = dry_run(folder, target)
    assert well, text
    return jobs(text)


def test_nothing_is_stale_at_first(reported):
    assert planned(reported) == {}


def edited_code(folder, path):
    with open(folder / path, "a") as file:
        file.write("\nedited = True\n")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("cdp/report.py", {"report_page": 1}),
        ("scripts/report_page.py", {"report_page": 1}),
        ("cdp/figures.py", {"figure": 8, "report_page": 1}),
        ("scripts/figure.py", {"figure": 8, "report_page": 1}),
        ("cdp/quality.py", {"quality": 1, "figure": 3, "report_page": 1}),
        ("scripts/quality.py", {"quality": 1, "figure": 3, "report_page": 1}),
        ("scripts/costs.py", {"costs": 1, "figure": 2, "report_page": 1}),
        ("scripts/cluster_sizes.py", {"cluster_sizes": 1, "figure": 1, "report_page": 1}),
        ("cdp/calibration.py", {"calibration": 1, "figure": 1, "report_page": 1}),
        ("scripts/calibration.py", {"calibration": 1, "figure": 1, "report_page": 1}),
        ("cdp/risk_coverage.py", {"risk_coverage": 1, "figure": 1, "report_page": 1}),
        ("scripts/risk_coverage.py", {"risk_coverage": 1, "figure": 1, "report_page": 1}),
        ("cdp/confidence.py", {"confidence": 4, "risk_coverage": 1, "figure": 1, "report_page": 1}),
        ("scripts/confidence.py", {"confidence": 4, "risk_coverage": 1, "figure": 1, "report_page": 1}),
    ],
)
def test_editing_code_makes_no_more_than_its_part_stale(path, expected, editable):
    edited_code(editable, path)
    assert planned(editable) == expected


def test_editing_an_experiment_makes_the_page_anew_and_nothing_before_it(editable):
    edit_yaml(editable / "config/datasets/demo.yaml", lambda entry: entry["experiments"][3].update(threshold="0.98"))
    assert planned(editable) == {
        **{"propagate": 1, "evaluate": 1, "confidence": 1, "table": 1, "quality": 1, "costs": 1, "cluster_sizes": 1},
        **{"provenance": 1, "risk_coverage": 1, "figure": 7, "report_page": 1},
    }


def test_without_labels_what_needs_them_is_left_out(editable):
    labels = editable / "data/unlabeled/demo/meta.txt"
    content = labels.read_bytes()

    def without_truth(entry):
        entry["experiments"].pop()
        entry["baselines"] = {"fast_hac": {"distance": 0.65}}

    edit_yaml(editable / "config/datasets/demo.yaml", without_truth)
    labels.unlink()
    try:
        well, text = dry_run(editable, PAGE)
        assert well, text
        assert jobs(text)["figure"] == 3
        assert not {"quality", "calibration", "risk_coverage", "sweep"} & set(jobs(text))
        well, text = dry_run(editable, "results/demo/figures/precision_recall.svg")
        assert not well
        assert "error: data/unlabeled/demo/meta.txt is missing, but a figure of precision and recall needs" in text
        assert "Traceback" not in text
    finally:
        labels.write_bytes(content)


def test_labels_replaced_by_older_ones_make_what_shows_them_stale(editable):
    labels = editable / "data/unlabeled/demo/meta.txt"
    content = labels.read_bytes()
    labels.write_bytes(b"1" + content[content.index(b"\n") :])
    os.utime(labels, (0, 0))
    try:
        stale = planned(editable)
    finally:
        labels.write_bytes(content)
    assert {"calibration", "cluster_sizes", "risk_coverage", "quality"} <= set(stale)
    assert stale["figure"] == 8


def test_snakemake_report(reported):
    snakemake(reported, PAGE, "results/demo/table.md", "--report", "report.html")
    text = (reported / "report.html").read_text()
    assert "Each line follows one scoring over all its thresholds" in text
    assert "One row an experiment and one a baseline" in text
    assert not re.search(r'<(?:script|link|img)[^>]*(?:src|href)="https?://', text)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(reported, scheme):
    """In a real browser, which fetches nothing but the page."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium (CONTRIBUTING.md)")
    with browser() as page:
        page.prefer(scheme)
        page.open((reported / PAGE).as_uri())
        page.wait("document.readyState === 'complete' && document.querySelectorAll('h1').length")
        assert page.requests == [(reported / PAGE).as_uri()]
        assert page.errors == []
        assert page.violations() == []
