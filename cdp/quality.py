"""What experiments and baselines of a table reached, beside the curves of their sweeps."""

from collections.abc import Iterator, Mapping, Sequence

Row = Mapping[str, str | None]


def quality(
    table: Sequence[Row], experiments: Sequence[tuple[str, str | None]], sweeps: Mapping[str, Sequence[Row]]
) -> list[dict[str, str | None]]:
    """Quality of everything that a table and sweeps tell of, in one form.

    Parameters
    ----------
    table : sequence of mappings
        The table's rows: experiments, then baselines (see `cdp.table`).
    experiments : sequence of (curve, threshold)
        Of the experiments: the name of their sweep, and their threshold.
    sweeps : mapping of curve to rows
        See `cdp.sweep`.

    Returns
    -------
    list of dict
        ``kind`` ("sweep", "experiment" or "baseline"), ``series`` (name of the curve or baseline),
        ``threshold``, ``precision``, ``recall``, ``f``, ``total_seconds``; None where there is none. What has
        no F is left out.
    """
    return [row for row in _rows(table, experiments, sweeps) if row["f"] is not None]


def _rows(
    table: Sequence[Row], experiments: Sequence[tuple[str, str | None]], sweeps: Mapping[str, Sequence[Row]]
) -> Iterator[dict[str, str | None]]:
    for curve, sweep in sweeps.items():
        for row in sweep:
            figures = {figure: row[figure] for figure in ("threshold", "precision", "recall", "f")}
            yield {"kind": "sweep", "series": curve} | figures | {"total_seconds": None}
    named: list[tuple[str, str | None, str | None]] = [("experiment", *experiment) for experiment in experiments]
    named += [("baseline", row["strategy"], None) for row in table[len(experiments) :]]
    for (kind, series, threshold), row in zip(named, table, strict=True):
        figures = {figure: row[f"kept_{figure}"] for figure in ("precision", "recall", "f")}
        yield (
            {"kind": kind, "series": series, "threshold": threshold} | figures | {"total_seconds": row["total_seconds"]}
        )
