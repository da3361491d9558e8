import pytest

from cdp.quality import quality


def table_row(strategy, f, seconds="1.5"):
    return {"strategy": strategy, "kept_precision": f, "kept_recall": f, "kept_f": f, "total_seconds": seconds}


SWEEP = [
    {"threshold": threshold, "precision": f, "recall": f, "f": f, "clusters": "7"}
    for threshold, f in [("0.5", "0.6"), ("0.9", "0.7"), ("1.0", None)]
]


def test_every_source_in_one_form():
    table = [table_row("vote", "0.7"), table_row("ground_truth", "0.9", None), table_row("kmeans *", "0.4")]
    rows = quality(table, [["all: vote", "0.9"], ["all: ground truth", None]], {"all: vote": SWEEP})
    assert [(row["kind"], row["series"], row["threshold"], row["f"], row["total_seconds"]) for row in rows] == [
        ("sweep", "all: vote", "0.5", "0.6", None),
        ("sweep", "all: vote", "0.9", "0.7", None),
        ("experiment", "all: vote", "0.9", "0.7", "1.5"),
        ("experiment", "all: ground truth", None, "0.9", None),
        ("baseline", "kmeans *", None, "0.4", "1.5"),
    ]
    assert {tuple(row) for row in rows} == {
        ("kind", "series", "threshold", "precision", "recall", "f", "total_seconds")
    }


def test_what_failed_is_left_out():
    rows = quality([table_row("vote", "0.7"), table_row("hac *", None)], [["all: vote", "0.9"]], {})
    assert [row["series"] for row in rows] == ["all: vote"]


def test_a_table_without_all_experiments_is_an_error():
    with pytest.raises(ValueError, match="shorter"):
        quality([], [["all: vote", "0.9"]], {})
