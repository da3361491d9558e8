"""Try many thresholds. Reads pairs.npz, the pairs' scores and, where there are any, labels; writes sweep.csv."""

import logging

from cdp.files import load_array, map_arrays, write_csv
from cdp.labels import read_labels
from cdp.threshold_sweep import spread_thresholds, sweep
from scripts.job import run


def main(snakemake):
    pairs, n_samples = map_arrays(snakemake.input.pairs, "pairs", "n_samples")
    scores = load_array(snakemake.input.scores)
    labels = read_labels(snakemake.input.labels[0], n_samples=int(n_samples)) if snakemake.input.labels else None
    settings, wildcards = snakemake.params.settings, snakemake.wildcards
    wanted = settings["thresholds"]
    rows = sweep(
        pairs,
        scores,
        int(n_samples),
        spread_thresholds(scores, count=wanted) if isinstance(wanted, int) else map(float, wanted),
        labels_true=labels,
        max_size=int(wildcards.max_size),
        step=float(wildcards.step),
        max_iter=settings["max_iter"],
    )
    write_csv(snakemake.output[0], rows)
    best = max(rows, key=lambda row: row["f"] or 0.0)
    if best["f"] is not None:
        logging.info("best pairwise F %.2f at threshold %s", 100 * best["f"], best["threshold"])


run(main, snakemake)
