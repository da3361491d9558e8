import xml.etree.ElementTree as ET

import numpy as np
import pytest
from matplotlib.figure import Figure

from cdp.figures import DRAWN, draw


def row(**values):
    return {key: None if value is None else str(value) for key, value in values.items()}


def sweep(series, low):
    thresholds = np.linspace(low, 0.999, 9)
    return [
        row(kind="sweep", series=series, threshold=t, precision=t, recall=1.2 - t, f=0.7 - abs(t - 0.9))
        for t in thresholds.tolist()
    ]


EXPERIMENTS = [
    row(kind="experiment", series="one: vote", threshold="0.8", precision=0.8, recall=0.4, f=0.6, total_seconds=2.5),
    row(
        kind="experiment", series="all: mediator", threshold="0.99", precision=0.9, recall=0.3, f=0.65, total_seconds=9
    ),
    row(kind="experiment", series="all: truth", threshold=None, precision=1, recall=0.9, f=0.95, total_seconds=None),
]
BASELINES = [
    row(kind="baseline", series=f"method{i}", threshold=None, precision=0.5, recall=0.4, f=0.45, total_seconds=1 + i)
    for i in range(20)
]
SWEEPS = sweep("one: vote", 0.1) + sweep("all: mediator", 0.91)
ROWS = {
    "precision_recall": SWEEPS + EXPERIMENTS + BASELINES,
    "f_threshold": SWEEPS + EXPERIMENTS,
    "quality_time": EXPERIMENTS + BASELINES,
    "knn_recall": [row(model=f"model{i}", k=15, recall=1 - i / 50) for i in range(3)],
    "stage_times": [
        row(series=f"experiment{i}", stage=stage, seconds=i + j) for i in range(3) for j, stage in enumerate("abc")
    ],
    "cluster_sizes": [
        row(series=series, size=size, clusters=20 - size) for series in ("all: vote", "truth") for size in (9, 1, 3)
    ],
    "calibration": [
        row(series=f"mediator{i}", probability=p, share=p**2, pairs=10) for i in range(2) for p in (0.1, 0.6, 0.9)
    ],
    "risk_coverage": [
        row(series=f"experiment{i}", coverage=c, risk=c / 9, area=0.05) for i in range(3) for c in (0.01, 0.5, 1)
    ],
}


def texts(path):
    return {"".join(element.itertext()).strip() for element in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")}


def test_every_figure_is_tried():
    assert set(ROWS) == set(DRAWN)


@pytest.mark.parametrize("name", DRAWN)
def test_a_file_is_the_same_each_time_and_names_every_series(name, tmp_path):
    for number in range(2):
        draw(name, ROWS[name], tmp_path / f"{number}.svg")
    assert (tmp_path / "0.svg").read_bytes() == (tmp_path / "1.svg").read_bytes()
    assert b"<dc:date>" not in (tmp_path / "0.svg").read_bytes()
    shown = texts(tmp_path / "0.svg")
    for entry in ROWS[name]:
        if entry.get("total_seconds", "some") is not None or name == "precision_recall":
            series = entry.get("series") or entry["model"]
            assert any(text.startswith(series) for text in shown) or series == "all: truth", series
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["0.svg", "1.svg"]


@pytest.mark.parametrize("name", DRAWN)
def test_other_numbers_other_picture(name, tmp_path):
    draw(name, ROWS[name], tmp_path / "all.svg")
    draw(name, ROWS[name][::2], tmp_path / "fewer.svg")
    assert (tmp_path / "all.svg").read_bytes() != (tmp_path / "fewer.svg").read_bytes()


def lines(name, rows, axes=0):
    """What is drawn as lines, by its label."""
    figure = Figure()
    DRAWN[name](figure, rows)
    return {line.get_label(): line.get_xydata() for line in figure.axes[axes].lines}


def numbers(rows, *keys):
    return np.array([[float(entry[key]) for key in keys] for entry in rows])


def test_what_is_drawn_is_what_the_rows_say():
    drawn = lines("precision_recall", ROWS["precision_recall"])
    np.testing.assert_allclose(drawn["all: truth"], [[90, 100]])
    np.testing.assert_allclose(drawn["method3"], [[40, 50]])
    np.testing.assert_allclose(
        lines("f_threshold", SWEEPS)["_child0"], numbers(SWEEPS[:9], "threshold", "f") * [1, 100]
    )
    drawn = lines("risk_coverage", ROWS["risk_coverage"])
    np.testing.assert_allclose(
        drawn["experiment1 (area 5.00)"], 100 * numbers(ROWS["risk_coverage"][3:6], "coverage", "risk")
    )
    drawn = lines("calibration", ROWS["calibration"])
    np.testing.assert_allclose(drawn["mediator1"], 100 * numbers(ROWS["calibration"][3:], "probability", "share"))
    np.testing.assert_allclose(lines("quality_time", ROWS["quality_time"])["method3"], [[4, 45]])


def test_cluster_sizes_are_shares_of_the_samples():
    drawn = lines("cluster_sizes", ROWS["cluster_sizes"])["truth"]
    samples = {1: 1 * 19, 3: 3 * 17, 9: 9 * 11}
    total = sum(samples.values())
    np.testing.assert_allclose(
        drawn, [[1, 100], [3, 100 * (samples[3] + samples[9]) / total], [9, 100 * samples[9] / total]]
    )


def test_stages_are_stacked():
    figure = Figure()
    DRAWN["stage_times"](figure, ROWS["stage_times"])
    bars = [(bar.get_x(), bar.get_width()) for bar in figure.axes[0].patches]
    assert bars == [(0, 0), (0, 1), (0, 2), (0, 1), (1, 2), (2, 3), (1, 2), (3, 3), (5, 4)]


@pytest.mark.parametrize("name", DRAWN)
def test_no_numbers_no_curves_but_a_picture_that_says_so(name, tmp_path):
    draw(name, [], tmp_path / "figure.svg")
    assert texts(tmp_path / "figure.svg") == {"There are no numbers to show."}


@pytest.mark.parametrize("name", DRAWN)
def test_forty_series_find_room(name, tmp_path):
    """Nothing is cut off, and no curve is pressed flat."""
    key = "model" if name == "knn_recall" else "series"
    rows = [entry | {key: f"{entry[key]} {i}"} for i in range(20) for entry in ROWS[name]]
    figure = Figure(figsize=(8, 5.5), layout="constrained")
    DRAWN[name](figure, rows)
    figure.canvas.draw()
    height = figure.bbox.height
    for legend in figure.legends:
        box = legend.get_window_extent()
        assert 0 <= box.y0 < box.y1 <= height + 1
    assert all(axes.get_position().height * height > 60 for axes in figure.axes)


def test_markup_in_names_stays_text(tmp_path):
    draw("knn_recall", [row(model="<script>$x$&", k=15, recall=0.5)], tmp_path / "figure.svg")
    assert not list(ET.parse(tmp_path / "figure.svg").iter("{http://www.w3.org/2000/svg}script"))


def test_an_unknown_recall_has_no_bar(tmp_path):
    draw("knn_recall", [row(model="a", k=15, recall=None), row(model="b", k=15, recall=0.5)], tmp_path / "figure.svg")
    assert "b, k 15" in texts(tmp_path / "figure.svg")
