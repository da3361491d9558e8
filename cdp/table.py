"""The table of results, as Markdown for people and as CSV with every figure."""

import json
import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

_HEADER = (
    "strategy", "models", "setting", "precision", "recall", "F", "BCubed F", "NMI", "clusters", "discarded",
    "kNN recall", "kNN time", "cluster time", "total time",
)  # fmt: skip
_FIGURES = ("precision", "recall", "f", "bcubed_precision", "bcubed_recall", "bcubed_f", "nmi")
_COUNTS = ("samples", "identities", "clusters", "singletons", "largest", "discarded", "discard_ratio")
_PUBLISHED = ("precision", "recall", "f", "knn_seconds", "cluster_seconds", "total_seconds")


def table_row(experiment: Mapping[str, Any]) -> dict[str, Any]:
    """One experiment's figures, flat.

    Parameters
    ----------
    experiment : mapping
        ``strategy``, ``models`` (their number), ``setting``, ``max_size``, ``step``, ``evaluation`` (path
        of its JSON file), ``knn_recalls`` (paths of JSON files), ``knn_benchmarks`` and
        ``cluster_benchmarks`` (paths of Snakemake's benchmark files in JSON lines), ``published`` (figures
        in per cent and seconds, or None).

    Returns
    -------
    dict
        Fractions in [0, 1] and seconds; None where a figure does not exist.
    """
    evaluation = json.loads(Path(experiment["evaluation"]).read_text(encoding="utf-8"))
    row = {key: experiment[key] for key in ("strategy", "models", "setting", "max_size", "step")}
    row |= {key: evaluation[key] for key in _COUNTS}
    row["pair_accuracy"] = evaluation.get("pair_accuracy")
    for form in ("kept", "removed"):
        row |= {f"{form}_{figure}": evaluation.get(form, {}).get(figure) for figure in _FIGURES}
    row["knn_recall"] = min(
        json.loads(Path(path).read_text(encoding="utf-8"))["recall"] for path in experiment["knn_recalls"]
    )
    knn, cluster = (_job_times(experiment[f"{stage}_benchmarks"]) for stage in ("knn", "cluster"))
    row |= {"knn_seconds": knn, "cluster_seconds": cluster}
    row["total_seconds"] = None if knn is None or cluster is None else knn + cluster
    published = experiment["published"] or {}
    return row | {f"published_{figure}": published.get(figure) for figure in _PUBLISHED}


def threads_by_rule(experiments: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Threads that the jobs of experiments (see `table_row`) ran with, as extended benchmark files tell."""
    threads = {}
    for experiment in experiments:
        for path in (*experiment["knn_benchmarks"], *experiment["cluster_benchmarks"]):
            benchmark = _read_benchmark(path) or {}
            if "threads" in benchmark:
                threads[benchmark["rule_name"]] = int(benchmark["threads"])
    return threads


def markdown_text(name: str, rows: Sequence[Mapping[str, Any]], *, threads: Mapping[str, int]) -> str:
    """The table people read first.

    Parameters
    ----------
    name : str
        Of the data set.
    rows : non-empty sequence of mappings
        From `table_row`.
    threads : mapping of rule to int
        From `threads_by_rule`.
    """
    identities = "no labels" if rows[0]["identities"] is None else f"{rows[0]['identities']:,} identities"
    lines = [[*_HEADER]]
    for row in rows:
        lines.append(_cells(row))
        if row["published_f"] is not None:
            lines.append(_published_cells(row))
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADER))]
    text = [_line(lines[0], widths), "|" + "|".join("-" * (width + 2) for width in widths) + "|"]
    text += [_line(line, widths) for line in lines[1:]]
    return "\n".join(
        [f"# {name}: {rows[0]['samples']:,} samples, {identities}", "", *text, "", *_notes(rows, threads), ""]
    )


def _cells(row: Mapping[str, Any]) -> list[str]:
    kept = [_percent(row[f"kept_{figure}"]) for figure in ("precision", "recall", "f", "bcubed_f", "nmi")]
    times = [_seconds(row[f"{stage}_seconds"]) for stage in ("knn", "cluster", "total")]
    counts = [f"{row['clusters']:,}", _percent(row["discard_ratio"]) + "%", _percent(row["knn_recall"])]
    return [row["strategy"], str(row["models"]), row["setting"], *kept, *counts, *times]


def _published_cells(row: Mapping[str, Any]) -> list[str]:
    pairwise = [f"{row[f'published_{figure}']:.2f}" for figure in ("precision", "recall", "f")]
    times = [_seconds(row[f"published_{stage}_seconds"]) for stage in ("knn", "cluster", "total")]
    return [f"{row['strategy']}, published", str(row["models"]), row["setting"], *pairwise, *[""] * 5, *times]


def _notes(rows: Sequence[Mapping[str, Any]], threads: Mapping[str, int]) -> Iterable[str]:
    yield (
        "Precision, recall and F are pairwise; all figures count each discarded sample as a cluster of its own. "
        "table.csv holds them without the discarded samples too, and more."
    )
    if len(limits := {(row["max_size"], row["step"]) for row in rows}) == 1:
        max_size, step = limits.pop()
        yield ""
        yield f"All with max_size {max_size} and step {step}."
    yield ""
    yield (
        "kNN recall: share of the true neighbours that the search found, in the model where it found least, measured "
        "on a sample."
    )
    yield ""
    yield (
        "kNN time: of all the models' kNN graphs. Cluster time: from candidate pairs to clusters, without training "
        f"the mediator. Wall-clock seconds of the jobs, process start included, on {_machine()}"
        + (f", with threads: {', '.join(f'{rule} {threads[rule]}' for rule in sorted(threads))}." if threads else ".")
    )
    if any(row["published_f"] is not None for row in rows):
        yield ""
        yield "published: figures of the authors' code (48 CPU cores, 8 TITAN XP, 252 GB)."


def _job_times(paths: Iterable[str]) -> float | None:
    """Seconds of the jobs together; None if one has no benchmark file."""
    benchmarks = [_read_benchmark(path) for path in paths]
    return sum(float(benchmark["s"]) for benchmark in benchmarks if benchmark) if all(benchmarks) else None


def _read_benchmark(path: str) -> dict[str, Any] | None:
    """The last run in a benchmark file, None if there is no file."""
    return json.loads(Path(path).read_text(encoding="utf-8").splitlines()[-1]) if Path(path).exists() else None


def _machine() -> str:
    model = platform.machine()
    cpu_info = Path("/proc/cpuinfo")
    if cpu_info.exists():
        names = [line.split(":", 1)[1].strip() for line in cpu_info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{model}, {os.cpu_count()} CPUs, {memory:.0f} GiB"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    aligned = [
        cell.ljust(width) if column in (0, 2) else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "| " + " | ".join(aligned) + " |"


def _percent(fraction: float | None) -> str:
    return "n/a" if fraction is None else f"{100 * fraction:.2f}"


def _seconds(seconds: float | None) -> str:
    return "n/a" if seconds is None else f"{seconds:.1f} s"
