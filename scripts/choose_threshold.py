"""Choose a threshold. Reads scored pairs, of a labelled set with its labels or the set's own; writes .json and .csv."""

import json
import logging

import numpy as np

from cdp.crowding import crowding_ratio
from cdp.files import load_array, map_arrays, read_json, write_csv, write_text
from cdp.labels import read_labels
from cdp.threshold_choice import TOLERANCE, choose_of_splits, labeled_curves, mean_rows, stability
from scripts.job import run


def main(snakemake):
    settings, wildcards = snakemake.params.settings, snakemake.wildcards
    pairs, n_samples = map_arrays(snakemake.input.pairs, "pairs", "n_samples")
    n_samples, labels, crowding = int(n_samples), None, None
    limits = {"max_size": int(wildcards.max_size), "step": float(wildcards.step), "max_iter": settings["max_iter"]}
    if snakemake.input.labels:
        labels = read_labels(snakemake.input.labels[0], n_samples=n_samples)
        crowding = crowding_ratio(read_json(snakemake.input.target)["samples"], n_samples)
    curves: list[list] = []
    for accept, path in zip(snakemake.params.accepts, snakemake.input.scores, strict=True):
        scores = load_array(path)
        if curves and not np.isfinite(scores).any():
            continue  # no pair has so many votes
        if labels is None:
            found = [stability(pairs, scores, n_samples, **limits)]
        else:
            found = labeled_curves(pairs, scores, labels, ratio=crowding, **limits)
        curves = curves or [[] for _ in found]
        for curve, more in zip(curves, found, strict=True):
            curve += [{"accept": accept} | row for row in more]
    tolerance = 0 if labels is None else TOLERANCE
    best = choose_of_splits(curves, objective=settings["objective"], tolerance=tolerance)
    about = {"objective": settings["objective"], "labeled": snakemake.params.labeled, "crowding": crowding}
    write_csv(snakemake.output.curve, mean_rows(curves))
    write_text(snakemake.output.choice, json.dumps(about | best, indent=2) + "\n")
    logging.info("chosen by %s: threshold %s", settings["objective"], best["threshold"])


run(main, snakemake)
