import csv
import io
import json

import pytest

from cdp.files import write_csv
from cdp.metrics import describe, evaluate
from cdp.table import baseline_row, markdown_text, table_row, threads_by_rule

FIGURES = ("precision", "recall", "f", "bcubed_precision", "bcubed_recall", "bcubed_f", "nmi")
KEPT = dict(zip(FIGURES, (0.9, 0.8, 0.847, 0.95, 0.85, 0.8972, 0.96789), strict=True))
REMOVED = dict(zip(FIGURES, (0.91, 0.81, 0.857, 0.951, 0.851, 0.8982, None), strict=True))
COUNTS = {
    "samples": 12345,
    "identities": 1000,
    "clusters": 2345,
    "singletons": 7,
    "largest": 321,
    "discarded": 500,
    "discard_ratio": 0.0405,
}
PUBLISHED = {
    "precision": 80.19,
    "recall": 70.47,
    "f": 75.02,
    "knn_seconds": 60,
    "cluster_seconds": 7.7,
    "total_seconds": 67.7,
}


@pytest.fixture
def experiment(tmp_path):
    """An evaluation and three jobs' benchmark files; a job that ran twice has two lines."""
    evaluation = {**COUNTS, "pair_accuracy": 0.987, "kept": KEPT, "removed": REMOVED}
    (tmp_path / "evaluation.json").write_text(json.dumps(evaluation))
    (tmp_path / "knn_a.json").write_text('{"recall": 1.0}')
    (tmp_path / "knn_b.json").write_text('{"recall": 0.9932}')
    for name, seconds in (("knn_a", [9.0, 1.25]), ("knn_b", [2.5]), ("vote", [4.0])):
        lines = "".join(json.dumps({"s": s, "rule_name": name}) + "\n" for s in seconds)
        (tmp_path / f"{name}.jsonl").write_text(lines)
    return {
        "strategy": "vote",
        "models": 2,
        "setting": "k15 accept1 th0.7",
        "max_size": 600,
        "step": "0.05",
        "evaluation": tmp_path / "evaluation.json",
        "knn_recalls": [tmp_path / "knn_a.json", tmp_path / "knn_b.json"],
        "knn_benchmarks": [tmp_path / "knn_a.jsonl", tmp_path / "knn_b.jsonl"],
        "cluster_benchmarks": [tmp_path / "vote.jsonl"],
        "published": None,
    }


def cells(text):
    """The table's lines as dicts of stripped cells, by header."""
    header, rule, *lines = [line for line in text.splitlines() if line.startswith("|")]
    assert set(rule) <= set("|-")
    split = [[cell.strip() for cell in line.strip("|").split("|")] for line in (header, *lines)]
    return [dict(zip(split[0], line, strict=True)) for line in split[1:]]


def test_row_holds_every_figure(experiment):
    row = table_row(experiment)
    expected = {
        "strategy": "vote",
        "models": 2,
        "setting": "k15 accept1 th0.7",
        "max_size": 600,
        "step": "0.05",
        **COUNTS,
        "pair_accuracy": 0.987,
    }
    expected |= {f"kept_{figure}": value for figure, value in KEPT.items()}
    expected |= {f"removed_{figure}": value for figure, value in REMOVED.items()}
    expected |= {"knn_recall": 0.9932, "knn_seconds": 3.75, "cluster_seconds": 4.0, "total_seconds": 7.75}
    expected |= {"outcome": "done", "published_outcome": None, "published_clusters": None}
    assert row == expected | {f"published_{figure}": None for figure in PUBLISHED}


def test_markdown_is_in_per_cent_and_seconds(experiment):
    text = markdown_text("demo", [table_row(experiment)], threads={})
    assert text.startswith("# demo: 12,345 samples, 1,000 identities\n\n|")
    assert text.endswith(".\n")
    assert cells(text) == [
        {
            "strategy": "vote",
            "models": "2",
            "setting": "k15 accept1 th0.7",
            "precision": "90.00",
            "recall": "80.00",
            "F": "84.70",
            "BCubed F": "89.72",
            "NMI": "96.79",
            "clusters": "2,345",
            "discarded": "4.05%",
            "kNN recall": "99.32",
            "kNN time": "3.8 s",
            "cluster time": "4.0 s",
            "total time": "7.8 s",
        }
    ]


def test_columns_are_aligned(experiment):
    long = experiment | {"strategy": "mediator of a long name", "setting": "k"}
    text = markdown_text("demo", [table_row(experiment), table_row(long)], threads={})
    lines = [line for line in text.splitlines() if line.startswith("|")]
    bars = [[i for i, character in enumerate(line) if character == "|"] for line in lines]
    assert len(lines) == 4
    assert bars.count(bars[0]) == 4


def test_published_figures_stand_below_ours_and_are_explained(experiment):
    ours, theirs = table_row(experiment), table_row(experiment | {"published": PUBLISHED})
    assert {figure: theirs[f"published_{figure}"] for figure in PUBLISHED} == PUBLISHED
    text = markdown_text("demo", [theirs, ours], threads={})
    mine, published, other = cells(text)
    assert mine == other
    assert published["strategy"] == "vote, published"
    assert [published[name] for name in ("precision", "recall", "F")] == ["80.19", "70.47", "75.02"]
    assert [published[f"{stage} time"] for stage in ("kNN", "cluster", "total")] == ["60.0 s", "7.7 s", "67.7 s"]
    assert [published[name] for name in ("BCubed F", "NMI", "clusters", "discarded", "kNN recall")] == [""] * 5
    assert "48 CPU cores, 8 TITAN XP" in text
    assert "TITAN" not in markdown_text("demo", [ours], threads={})


def test_missing_benchmark_is_not_available(experiment, tmp_path):
    (tmp_path / "knn_b.jsonl").unlink()
    row = table_row(experiment)
    assert (row["knn_seconds"], row["cluster_seconds"], row["total_seconds"]) == (None, 4.0, None)
    [shown] = cells(markdown_text("demo", [row], threads={}))
    assert (shown["kNN time"], shown["cluster time"], shown["total time"]) == ("n/a", "4.0 s", "n/a")


def test_data_without_labels_have_counts_but_no_agreement(experiment, tmp_path):
    (tmp_path / "evaluation.json").write_text(json.dumps(COUNTS | {"identities": None}))
    row = table_row(experiment)
    assert {row[f"{form}_{figure}"] for form in ("kept", "removed") for figure in FIGURES} == {None}
    assert row["pair_accuracy"] is None
    text = markdown_text("demo", [row], threads={})
    assert text.startswith("# demo: 12,345 samples, no labels\n")
    [shown] = cells(text)
    assert {shown[name] for name in ("precision", "recall", "F", "BCubed F", "NMI")} == {"n/a"}
    assert (shown["clusters"], shown["discarded"]) == ("2,345", "4.05%")


def test_figures_of_metrics_are_those_of_the_row(experiment, tmp_path):
    """The names that `evaluate` and `describe` give are those that the table reads."""
    import numpy as np

    true, pred = np.array([0, 0, 1, 1, 2]), np.array([0, 0, 0, 1, -1])
    figures = {"samples": 5, "identities": 3, "pair_accuracy": 1.0} | describe(pred) | evaluate(true, pred)
    (tmp_path / "evaluation.json").write_text(json.dumps(figures))
    row = table_row(experiment)
    assert row["kept_precision"] == pytest.approx(1 / 3)
    assert row["kept_recall"] == pytest.approx(1 / 2)
    assert row["removed_bcubed_recall"] == pytest.approx(3 / 4)
    assert (row["clusters"], row["singletons"], row["largest"], row["discarded"]) == (2, 1, 3, 1)


def test_rows_can_be_written_as_csv(experiment, tmp_path):
    row = table_row(experiment)
    write_csv(tmp_path / "table.csv", [row])
    [read] = csv.DictReader(io.StringIO((tmp_path / "table.csv").read_text()))
    assert read == {key: "n/a" if value is None else str(value) for key, value in row.items()}


def test_threads_are_told_where_the_benchmarks_tell_them(experiment, tmp_path):
    assert threads_by_rule([experiment]) == {}
    (tmp_path / "vote.jsonl").write_text(json.dumps({"s": 1.0, "rule_name": "vote", "threads": 3}) + "\n")
    (tmp_path / "knn_a.jsonl").write_text(json.dumps({"s": 1.0, "rule_name": "knn", "threads": 8}) + "\n")
    threads = threads_by_rule([experiment])
    assert threads == {"knn": 8, "vote": 3}
    assert "with threads: knn 8, vote 3." in markdown_text("demo", [table_row(experiment)], threads=threads)


def test_limits_of_all_rows_are_told_once(experiment):
    row = table_row(experiment)
    assert "All with max_size 600 and step 0.05.\n" in markdown_text("demo", [row, row], threads={})
    assert "All with" not in markdown_text("demo", [row, row | {"max_size": 300}], threads={})


@pytest.fixture
def baseline(experiment):
    """The same evaluation and jobs, as those of a baseline."""
    own = {"method": "knn_dbscan", "setting": "eps 0.8", "true_number": False}
    return (
        own
        | {key: experiment[key] for key in experiment if key not in ("strategy", "models", "max_size", "step")}
        | own
    )


def test_baselines_have_a_table_of_their_own(experiment, baseline):
    alone = markdown_text("demo", [table_row(experiment)], threads={})
    assert "Baselines" not in alone
    rows = [baseline_row(baseline), baseline_row(baseline | {"true_number": True, "knn_benchmarks": []})]
    text = markdown_text("demo", [table_row(experiment)], baselines=rows, threads={})
    above, below = text.split("## Baselines")
    assert cells(above) == cells(alone)
    assert "CDP: all with max_size 600" in below
    assert "* was given the true number of clusters." in below
    first, second = cells(below)
    assert first == {
        "baseline": "knn_dbscan",
        "setting": "eps 0.8",
        "precision": "90.00",
        "recall": "80.00",
        "F": "84.70",
        "BCubed F": "89.72",
        "NMI": "96.79",
        "clusters": "2,345",
        "discarded": "4.05%",
        "kNN time": "3.8 s",
        "total time": "7.8 s",
    }
    assert (second["baseline"], second["kNN time"], second["total time"]) == ("knn_dbscan *", "", "4.0 s")


def test_chosen_parameters_are_shown_as_such(experiment, baseline, tmp_path):
    path = tmp_path / "parameters.json"
    path.write_text(json.dumps({"parameters": {"eps": 0.55, "min_samples": 2}}))
    chosen = baseline | {"setting": "eps auto k 15 min_samples auto", "choice": str(path)}
    rows = [baseline_row(chosen), baseline_row(baseline | {"choice": None})]
    assert [row["setting"] for row in rows] == ["eps 0.55 auto k 15 min_samples 2 auto", baseline["setting"]]
    notes = [
        markdown_text("demo", [table_row(experiment)], baselines=some, threads={}).count(
            "auto in a baseline: chosen on"
        )
        for some in (rows, rows[1:])
    ]
    assert notes == [1, 0]


def test_baseline_that_failed_says_so(experiment, baseline, tmp_path):
    (tmp_path / "evaluation.json").write_text(json.dumps({"outcome": "out of memory (24 GB)"}))
    row = baseline_row(baseline)
    assert row["outcome"] == "out of memory (24 GB)"
    assert row["kept_f"] is None
    (tmp_path / "evaluation.json").write_text(json.dumps(COUNTS | {"kept": KEPT, "removed": REMOVED}))
    text = markdown_text("demo", [table_row(experiment)], baselines=[row], threads={})
    [shown] = cells(text.split("## Baselines")[1])
    assert shown["setting"] == "eps 0.8: out of memory (24 GB)"
    assert {shown[name] for name in ("precision", "F", "clusters", "discarded")} == {""}


def test_published_baselines_stand_below_ours(experiment, baseline):
    published = {"clusters": 46767, "precision": 99.79, "recall": 53.18, "f": 69.38, "total_seconds": 5976}
    rows = [baseline_row(baseline | {"published": entry}) for entry in (published, {"outcome": "out of memory"})]
    text = markdown_text("demo", [table_row(experiment)], baselines=rows, threads={})
    _, first, _, second = cells(text.split("## Baselines")[1])
    assert (first["baseline"], first["F"], first["clusters"]) == ("knn_dbscan, published", "69.38", "46,767")
    assert first["total time"] == "5976.0 s"
    assert (second["setting"], second["F"]) == ("out of memory", "")
    assert "48 CPU cores" in text


def test_rows_of_both_kinds_fit_one_csv(experiment, baseline, tmp_path):
    rows = [table_row(experiment), baseline_row(baseline)]
    assert list(rows[0]) == list(rows[1])
    write_csv(tmp_path / "table.csv", rows)
    assert len(list(csv.DictReader(io.StringIO((tmp_path / "table.csv").read_text())))) == 2
