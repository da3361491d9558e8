"""Choose a threshold. Reads scored pairs, of a labelled set with its labels or the set's own; writes .json and .csv."""

import json
import logging
from pathlib import Path

from cdp.files import load_array, load_arrays, write_csv, write_text
from cdp.labels import read_labels
from cdp.threshold_choice import TRIED, choose, stability
from cdp.threshold_sweep import spread_thresholds, sweep
from scripts.job import run


def main(snakemake):
    settings, wildcards = snakemake.params.settings, snakemake.wildcards
    pairs, n_samples = load_arrays(snakemake.input.pairs, "pairs", "n_samples")
    n_samples = int(n_samples)
    curve, options = stability, {}
    if snakemake.input.labels:
        target = json.loads(Path(snakemake.input.size).read_text(encoding="utf-8"))["samples"]
        labels = read_labels(snakemake.input.labels[0], n_samples=n_samples)
        curve, options = sweep, {"labels_true": labels, "growth": target / n_samples}
    options |= {"max_size": int(wildcards.max_size), "step": float(wildcards.step), "max_iter": settings["max_iter"]}
    rows = []
    for accept, path in zip(snakemake.params.accepts, snakemake.input.scores, strict=True):
        scores = load_array(path)
        thresholds = spread_thresholds(scores, count=TRIED)
        rows += [{"accept": accept} | row for row in curve(pairs, scores, n_samples, thresholds, **options)]
    best = choose(rows, objective=settings["objective"])
    choice = {"objective": settings["objective"], "labeled": snakemake.params.labeled} | best
    write_csv(snakemake.output.curve, rows)
    write_text(snakemake.output.choice, json.dumps(choice, indent=2) + "\n")
    logging.info("chosen by %s: threshold %s", settings["objective"], best["threshold"])


run(main, snakemake)
