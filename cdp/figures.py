"""The figures of a report, each drawn from the rows of its CSV file: SVG, the same bytes each time."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from cdp.files import atomic_path

Row = Mapping[str, str | None]

# Okabe and Ito: Color universal design, 2008; without the yellow, which is too pale for lines
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_DASHES = ("-", "--", "-.", (0, (1, 1)))
_MARKERS = "sD^vP*Xo<>hp8dH"
_GREY = "#595959"
_LEGEND_LINE = 0.26  # inches
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 14,
    "svg.fonttype": "none",  # text stays text, to be found and read aloud
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "grid.color": "#E0E0E0",
    "legend.frameon": False,
    "legend.fontsize": 12,
    "lines.linewidth": 2.5,
    "lines.markersize": 9,
}


def draw(name: str, rows: Sequence[Row], path: str | os.PathLike[str]) -> None:
    """Draw a figure as SVG.

    Parameters
    ----------
    name : str
        One of `DRAWN`.
    rows : sequence of mappings
        Of its CSV file (see `cdp.files.read_csv`).
    path : path
    """
    with matplotlib.rc_context(_STYLE | {"svg.hashsalt": name}), atomic_path(path) as temporary:
        figure = Figure(figsize=(8, 5.5), layout="constrained")
        if rows:
            DRAWN[name](figure, rows)
        else:
            figure.text(0.5, 0.5, "There are no numbers to show.", ha="center")
        figure.savefig(temporary, format="svg", metadata={"Creator": None, "Date": None})


def _precision_recall(figure: Figure, rows: Sequence[Row]) -> None:
    axes = figure.add_subplot()
    looks = _looks(row["series"] for row in rows if row["kind"] != "baseline")
    for series, curve in _grouped(row for row in rows if row["kind"] == "sweep").items():
        axes.plot(_percent(curve, "recall"), _percent(curve, "precision"), **looks[series])
    points = [row for row in rows if row["kind"] != "sweep"]
    _scatter(axes, points, "recall", "precision", looks)
    low = [max(0, min(_percent(points, figure)) - 5) for figure in ("recall", "precision")]
    axes.set(xlim=(low[0], 100.5), ylim=(low[1], 100.5), xlabel="recall (%)", ylabel="precision (%)")
    for f in range(10, 100, 10):
        precision = np.linspace(max(low[1], f / (2 - f / 100)), 100, 200)
        recall = f * precision / (2 * precision - f)
        axes.plot(recall, precision, color="#9E9E9E", linewidth=1, linestyle=":", zorder=0)
        if recall[0] > low[0] + 5:
            at = (recall[0], precision[0])
            axes.annotate(f"F {f}", at, (-3, 3), textcoords="offset points", ha="right", color=_GREY, fontsize=11)
    _legend_beside(figure, axes)


def _f_threshold(figure: Figure, rows: Sequence[Row]) -> None:
    curves = _grouped(row for row in rows if row["kind"] == "sweep")
    chosen = _grouped(row for row in rows if row["kind"] == "experiment")
    looks = _looks(row["series"] for row in rows)
    columns = min(2, len(curves))
    rows_of_axes = -(-len(curves) // columns)
    _make_room(figure, 2.2 * rows_of_axes)
    grid = figure.subplots(rows_of_axes, columns, sharey=True, squeeze=False)
    for axes in grid.flat[len(curves) :]:
        axes.remove()
    for number, ((series, curve), axes) in enumerate(zip(curves.items(), grid.flat, strict=False)):
        thresholds = _numbers(curve, "threshold")
        axes.plot(thresholds, _percent(curve, "f"), **looks[series] | {"linestyle": "-"})
        for row in chosen.get(series, []):
            axes.plot(
                _numbers([row], "threshold"), _percent([row], "f"), marker="o", color="black", linestyle="", zorder=3
            )
        axes.set_title(series, fontsize=13)
        axes.set_ylim(0, 101)
        if np.median(thresholds) > 0.9:
            axes.set_xscale("logit")
            ticks = [t for t in (0.01, 0.5, 0.99, 0.9999) if thresholds.min() <= t <= thresholds.max()]
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.xaxis.set_minor_formatter(NullFormatter())
        if number >= len(curves) - columns:
            axes.set_xlabel("threshold")
        if number % columns == 0:
            axes.set_ylabel("F (%)")


def _quality_time(figure: Figure, rows: Sequence[Row]) -> None:
    axes = figure.add_subplot()
    points = [row for row in rows if row["total_seconds"] is not None]
    _scatter(axes, points, "total_seconds", "f", _looks(row["series"] for row in points if row["kind"] != "baseline"))
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="total time (s)", ylabel="F (%)")
    _legend_beside(figure, axes)


def _knn_recall(figure: Figure, rows: Sequence[Row]) -> None:
    axes = figure.add_subplot()
    recalls = _percent(rows, "recall")
    names = [f"{row['model']}, k {row['k']}" for row in rows]
    _make_room(figure, 1 + 0.4 * len(names))
    bars = axes.barh(names[::-1], recalls[::-1], color=_COLORS[0])
    axes.bar_label(bars, fmt=" {:.2f}", padding=2)
    axes.set(xlim=(0, 115), xlabel="true neighbours that were found (%)")
    axes.set_xticks(range(0, 101, 20))
    axes.grid(axis="y", visible=False)


def _stage_times(figure: Figure, rows: Sequence[Row]) -> None:
    axes = figure.add_subplot()
    experiments = list(dict.fromkeys(str(row["series"]) for row in rows))
    _make_room(figure, 1 + 0.4 * len(experiments))
    left = dict.fromkeys(experiments, 0.0)
    fullest = max(_grouped(rows).values(), key=len)
    stages = dict.fromkeys(row["stage"] for row in (*fullest, *rows))
    for stage, color in zip(stages, _COLORS, strict=False):
        part = [row for row in rows if row["stage"] == stage]
        seconds = _numbers(part, "seconds")
        names = [str(row["series"]) for row in part]
        axes.barh(names, seconds, left=[left[name] for name in names], color=color, edgecolor="white", label=stage)
        for name, value in zip(names, seconds, strict=True):
            left[name] += value
    axes.set_yticks(range(len(experiments)), experiments)
    axes.invert_yaxis()
    axes.set_xlabel("time (s)")
    axes.grid(axis="y", visible=False)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=5, columnspacing=1.2)


def _cluster_sizes(figure: Figure, rows: Sequence[Row]) -> None:
    axes = figure.add_subplot()
    series = _grouped(rows)
    looks = _looks(name for name in series if name != "truth")
    for name, part in series.items():
        sizes, counts = _numbers(part, "size"), _numbers(part, "clusters")
        order = np.argsort(sizes)
        samples = np.cumsum((sizes * counts)[order][::-1])[::-1]
        look = {"color": "black", "linewidth": 5, "alpha": 0.3} if name == "truth" else looks[name]
        axes.step(sizes[order], 100 * samples / samples[0], where="pre", label=name, **look)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set(xlabel="size", ylabel="samples in clusters of at least this size (%)", ylim=(0, 101))
    _legend_above(figure, axes)


def _calibration(figure: Figure, rows: Sequence[Row]) -> None:
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    series = _grouped(rows)
    looks = _looks(series)
    upper.plot([0, 100], [0, 100], color=_GREY, linewidth=1, label="as it should be")
    for name, part in series.items():
        mean = _percent(part, "probability")
        upper.plot(mean, _percent(part, "share"), **looks[name], marker="o", label=name)
        lower.plot(mean, _numbers(part, "pairs"), **looks[name], marker="o")
    upper.set(ylabel="pairs of one identity (%)", ylim=(-2, 102))
    lower.set(xlabel="probability (%)", ylabel="pairs", yscale="log", xlim=(-2, 102))
    lower.margins(y=0.2)
    _legend_above(figure, upper)


def _risk_coverage(figure: Figure, rows: Sequence[Row]) -> None:
    axes = figure.add_subplot()
    series = _grouped(rows)
    looks = _looks(series)
    for name, part in series.items():
        label = f"{name} (area {100 * float(part[0]['area'] or 0):.2f})"
        axes.plot(_percent(part, "coverage"), _percent(part, "risk"), **looks[name], label=label)
    axes.set(xlabel="most confident samples (%)", ylabel="of another identity in their clusters (%)")
    axes.set(xlim=(0, 100), ylim=(0, None))
    _legend_above(figure, axes)


DRAWN: dict[str, Callable[[Figure, Sequence[Row]], None]] = {
    "calibration": _calibration,
    "cluster_sizes": _cluster_sizes,
    "f_threshold": _f_threshold,
    "knn_recall": _knn_recall,
    "precision_recall": _precision_recall,
    "quality_time": _quality_time,
    "risk_coverage": _risk_coverage,
    "stage_times": _stage_times,
}


def _make_room(figure: Figure, inches: float) -> None:
    """Pictures that hold much are taller than the others."""
    figure.set_figheight(max(figure.get_figheight(), inches))


def _legend_beside(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    _make_room(figure, 0.5 + _LEGEND_LINE * len(labels))
    figure.legend(handles, labels, loc="outside right upper")


def _legend_above(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    _make_room(figure, 4.5 + _LEGEND_LINE * -(-len(labels) // 2))
    figure.legend(handles, labels, loc="outside upper center", ncols=2)


def _looks(series: Iterable[str | None]) -> dict[str | None, dict[str, Any]]:
    """A colour and a kind of line for each series, in the order of their appearance."""
    return {
        name: {"color": _COLORS[i % len(_COLORS)], "linestyle": _DASHES[i % len(_DASHES)]}
        for i, name in enumerate(dict.fromkeys(series))
    }


def _scatter(axes: Axes, points: Sequence[Row], x: str, y: str, looks: Mapping[str | None, Mapping[str, Any]]) -> None:
    """Experiments in the colours of their curves, baselines as grey marks of their own."""
    baselines = 0
    for name, part in _grouped(points).items():
        look: dict[str, Any] = {"color": "white", "markeredgecolor": _GREY, "markeredgewidth": 1.8}
        if part[0]["kind"] == "experiment":
            look = {"color": looks[name]["color"], "markeredgecolor": "black", "markersize": 12}
        marker = "o" if part[0]["kind"] == "experiment" else _MARKERS[baselines % len(_MARKERS)]
        baselines += part[0]["kind"] == "baseline"
        values = _numbers(part, x) if x == "total_seconds" else _percent(part, x)
        axes.plot(values, _percent(part, y), linestyle="", marker=marker, label=name, **look)


def _grouped(rows: Iterable[Row]) -> dict[str | None, list[Row]]:
    groups: dict[str | None, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["series"], []).append(row)
    return groups


def _numbers(rows: Iterable[Row], key: str) -> np.ndarray:
    return np.array([np.nan if (value := row[key]) is None else float(value) for row in rows])


def _percent(rows: Iterable[Row], key: str) -> np.ndarray:
    return 100 * _numbers(rows, key)
