"""The table of results, as Markdown for people and as CSV with every figure."""

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cdp.files import read_json, whole
from cdp.selection import AUTO, NO_LABELS, with_choice

_HEADER = (
    "strategy", "models", "setting", "precision", "recall", "F", "BCubed F", "NMI", "clusters", "discarded",
    "kNN recall", "kNN time", "cluster time", "total time",
)  # fmt: skip
_BASELINE_HEADER = (
    "baseline", "setting", "precision", "recall", "F", "BCubed F", "NMI", "clusters", "discarded",
    "kNN time", "total time",
)  # fmt: skip
_OUTCOME_WIDTH = 80
_FIGURES = ("precision", "recall", "f", "bcubed_precision", "bcubed_recall", "bcubed_f", "nmi")
_COUNTS = ("samples", "identities", "clusters", "singletons", "largest", "discarded", "discard_ratio")
_PUBLISHED = ("clusters", "precision", "recall", "f", "knn_seconds", "cluster_seconds", "total_seconds")


def table_row(experiment: Mapping[str, Any]) -> dict[str, Any]:
    """One experiment's figures, flat.

    Parameters
    ----------
    experiment : mapping
        ``strategy``, ``models`` (their number), ``setting``, ``max_size``, ``step``, ``evaluation`` (path
        of its JSON file), ``choice`` (optional: path of the JSON file that says what ``auto`` stands for),
        ``knn_recalls`` (paths of JSON files), ``knn_benchmarks`` and
        ``cluster_benchmarks`` (paths of Snakemake's benchmark files in JSON lines), ``published`` (figures
        in per cent and seconds, or None).

    Returns
    -------
    dict
        Fractions in [0, 1] and seconds; None where a figure does not exist.
    """
    setting = {key: experiment[key] for key in ("strategy", "models", "setting", "max_size", "step")}
    if experiment.get("choice"):
        setting["setting"] = with_choice(setting["setting"], experiment["choice"])
    return setting | _figures(experiment)


def baseline_row(baseline: Mapping[str, Any]) -> dict[str, Any]:
    """One baseline's figures, flat, with the keys of a `table_row`.

    Parameters
    ----------
    baseline : mapping
        ``method`` (its name), ``setting``, ``true_number`` (whether it was given the true number of clusters),
        ``choice`` (optional: path of the JSON file that says what ``auto`` parameters stand for),
        and of what `table_row` takes: ``evaluation``, ``knn_recalls``, ``knn_benchmarks``,
        ``cluster_benchmarks``, ``published``.
    """
    name = baseline["method"] + (" *" if baseline["true_number"] else "")
    setting = baseline["setting"]
    if baseline.get("choice"):
        for parameter, value in read_json(baseline["choice"])["parameters"].items():
            setting = setting.replace(f"{parameter} auto", f"{parameter} {value} auto")
    return {"strategy": name, "models": 1, "setting": setting, "max_size": None, "step": None} | _figures(baseline)


def _figures(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What the evaluation and the benchmark files of an experiment or a baseline tell."""
    evaluation = read_json(entry["evaluation"])
    row = {key: evaluation.get(key) for key in (*_COUNTS, "pair_accuracy")}
    for form in ("kept", "removed"):
        row |= {f"{form}_{figure}": evaluation.get(form, {}).get(figure) for figure in _FIGURES}
    recalls = [read_json(path)["recall"] for path in entry["knn_recalls"]]
    row["knn_recall"] = min(recalls, default=None)
    knn, cluster = (job_times(entry[f"{stage}_benchmarks"]) for stage in ("knn", "cluster"))
    row |= {"knn_seconds": knn, "cluster_seconds": cluster}
    row["total_seconds"] = None if knn is None or cluster is None else knn + cluster
    row["outcome"] = evaluation.get("outcome", "done")
    published = entry["published"] or {}
    row["published_outcome"] = published.get("outcome", "done" if published else None)
    return row | {f"published_{figure}": published.get(figure) for figure in _PUBLISHED}


def threads_by_rule(experiments: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Threads that the jobs of experiments (see `table_row`) ran with, as extended benchmark files tell."""
    threads = {}
    for experiment in experiments:
        for path in (*experiment["knn_benchmarks"], *experiment["cluster_benchmarks"]):
            benchmark = read_benchmark(path) or {}
            if "threads" in benchmark:
                threads[benchmark["rule_name"]] = int(benchmark["threads"])
    return threads


def markdown_text(
    name: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    baselines: Sequence[Mapping[str, Any]] = (),
    threads: Mapping[str, int],
) -> str:
    """The table people read first.

    Parameters
    ----------
    name : str
        Of the data set.
    rows : non-empty sequence of mappings
        From `table_row`.
    baselines : sequence of mappings
        From `baseline_row`.
    threads : mapping of rule to int
        From `threads_by_rule`.
    """
    identities = "no labels" if rows[0]["identities"] is None else f"{rows[0]['identities']:,} identities"
    text = [f"# {name}: {rows[0]['samples']:,} samples, {identities}", ""]
    text += _table(_HEADER, [_cells(row) for row in rows], [_published_cells(row) for row in rows])
    if baselines:
        text += ["", "## Baselines", ""]
        text += _table(
            _BASELINE_HEADER,
            [_baseline_cells(row) for row in baselines],
            [_published_baseline_cells(row) for row in baselines],
        )
    return "\n".join([*text, "", *_notes(rows, baselines, threads), ""])


def _table(
    header: Sequence[str], lines: Sequence[Sequence[str]], published: Sequence[Sequence[str] | None]
) -> list[str]:
    """Lines of a table in Markdown, each with the published one, where there is one, below it."""
    pairs = zip(lines, published, strict=True)
    cells = [header, *(line for pair in pairs for line in pair if line is not None)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    left = [column for column, title in enumerate(header) if title in ("strategy", "setting", "baseline")]
    text = [_line(line, widths, left) for line in cells]
    return [text[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *text[1:]]


def _cells(row: Mapping[str, Any]) -> list[str]:
    kept = [_percent(row[f"kept_{figure}"]) for figure in ("precision", "recall", "f", "bcubed_f", "nmi")]
    times = [_seconds(row[f"{stage}_seconds"]) for stage in ("knn", "cluster", "total")]
    counts = [f"{row['clusters']:,}", _percent(row["discard_ratio"]) + "%", _percent(row["knn_recall"])]
    return [row["strategy"], str(row["models"]), row["setting"], *kept, *counts, *times]


def _published_cells(row: Mapping[str, Any]) -> list[str] | None:
    if row["published_f"] is None:
        return None
    pairwise = [f"{row[f'published_{figure}']:.2f}" for figure in ("precision", "recall", "f")]
    times = [_seconds(row[f"published_{stage}_seconds"]) for stage in ("knn", "cluster", "total")]
    return [f"{row['strategy']}, published", str(row["models"]), row["setting"], *pairwise, *[""] * 5, *times]


def _baseline_cells(row: Mapping[str, Any]) -> list[str]:
    times = ["" if row["knn_seconds"] == 0 else _seconds(row["knn_seconds"]), _seconds(row["total_seconds"])]
    if row["outcome"] != "done":
        return [row["strategy"], f"{row['setting']}: {_short(row['outcome'])}", *[""] * 7, *times]
    kept = [_percent(row[f"kept_{figure}"]) for figure in ("precision", "recall", "f", "bcubed_f", "nmi")]
    return [
        row["strategy"],
        row["setting"],
        *kept,
        f"{row['clusters']:,}",
        _percent(row["discard_ratio"]) + "%",
        *times,
    ]


def _published_baseline_cells(row: Mapping[str, Any]) -> list[str] | None:
    if row["published_outcome"] is None:
        return None
    name = f"{row['strategy']}, published"
    if row["published_outcome"] != "done":
        return [name, _short(row["published_outcome"]), *[""] * 9]
    pairwise = [f"{row[f'published_{figure}']:.2f}" for figure in ("precision", "recall", "f")]
    total = _seconds(row["published_total_seconds"])
    return [name, "", *pairwise, "", "", f"{row['published_clusters']:,}", "", "", total]


def _short(outcome: str) -> str:
    """An outcome that fits a cell; the .csv holds all of it."""
    text = outcome if len(outcome) <= _OUTCOME_WIDTH else outcome[: _OUTCOME_WIDTH - 1] + "…"
    return text.replace("|", "\\|")


def _notes(
    rows: Sequence[Mapping[str, Any]], baselines: Sequence[Mapping[str, Any]], threads: Mapping[str, int]
) -> Iterable[str]:
    yield (
        "Precision, recall and F are pairwise; all figures count each discarded sample as a cluster of its own. "
        "table.csv holds them without the discarded samples too, and more."
    )
    if len(limits := {(row["max_size"], row["step"]) for row in rows}) == 1:
        max_size, step = limits.pop()
        yield ""
        yield f"{'CDP: all' if baselines else 'All'} with max_size {max_size} and step {step}."
    if any(AUTO in row["setting"] and NO_LABELS not in row["setting"] for row in rows):
        yield ""
        yield "auto: chosen on the labelled set; threshold.json and .csv beside the row's meta.txt tell how."
    if any(AUTO in row["setting"] for row in baselines):
        yield ""
        yield "auto in a baseline: chosen on the labelled set; parameters.json and .csv beside its meta.txt tell how."
    if any(NO_LABELS in row["setting"] for row in rows):
        yield ""
        yield "no labels: chosen by the stability of the clusters alone, for want of a labelled set; less reliable."
    if any(row["strategy"].endswith("*") for row in baselines):
        yield ""
        yield "* was given the true number of clusters."
    yield ""
    yield (
        "kNN recall: share of the true neighbours that the search found, in the model where it found least, measured "
        "on a sample."
    )
    yield ""
    yield (
        "kNN time: of all the models' kNN graphs. Cluster time: from candidate pairs to clusters, without training "
        f"the mediator. Wall-clock seconds of the jobs, process start included, on {machine()}"
        + (f", with threads: {', '.join(f'{rule} {threads[rule]}' for rule in sorted(threads))}." if threads else ".")
    )
    if any(row["published_outcome"] is not None for row in (*rows, *baselines)):
        yield ""
        yield "published: figures of the authors' code (48 CPU cores, 8 TITAN XP, 252 GB)."


def job_times(paths: Iterable[str]) -> float | None:
    """Seconds of the jobs together; None if one has no benchmark file."""
    benchmarks = [read_benchmark(path) for path in paths]
    return sum(float(benchmark["s"]) for benchmark in benchmarks if benchmark) if all(benchmarks) else None


def read_benchmark(path: str) -> dict[str, Any] | None:
    """The last run in a benchmark file, None if there is no file, or an empty one as after a power loss."""
    if not Path(path).exists():
        return None
    with whole(path):
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        return json.loads(lines[-1]) if lines else None


def machine() -> str:
    """The processor, the number of CPUs and the memory of this machine, in words."""
    model = platform.machine()
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.exists():
        names = [line.split(":", 1)[1].strip() for line in cpu_info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} CPUs, {memory:.0f} GiB"


def _line(cells: Sequence[str], widths: Sequence[int], left: Sequence[int]) -> str:
    aligned = [
        cell.ljust(width) if column in left else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "| " + " | ".join(aligned) + " |"


def _percent(fraction: float | None) -> str:
    return "n/a" if fraction is None else f"{100 * fraction:.2f}"


def _seconds(seconds: float | None) -> str:
    return "n/a" if seconds is None else f"{seconds:.1f} s"
