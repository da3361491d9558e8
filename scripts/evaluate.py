"""Evaluate clusters. Reads meta.txt, the scored pairs and, where there are any, labels; writes evaluation.json."""

import json

import numpy as np

from cdp.files import load_arrays, write_text
from cdp.labels import read_labels
from cdp.metrics import describe, evaluate, pair_accuracy
from cdp.selection import load_kept_pairs, threshold_of
from scripts.job import run


def main(snakemake):
    (n_samples,) = load_arrays(snakemake.input.pairs, "n_samples")
    clusters = read_labels(snakemake.input.clusters, n_samples=int(n_samples))
    figures = {"samples": len(clusters), "identities": None, **describe(clusters)}
    if snakemake.input.labels:
        labels = read_labels(snakemake.input.labels[0], n_samples=int(n_samples))
        threshold = threshold_of(snakemake.wildcards.threshold, snakemake.input.choice)
        kept, _, _ = load_kept_pairs(snakemake.input.pairs, snakemake.input.scores, threshold)
        figures["identities"] = len(np.unique(labels))
        figures |= {"pair_accuracy": pair_accuracy(kept, labels), **evaluate(labels, clusters)}
    write_text(snakemake.output[0], json.dumps(figures, indent=2) + "\n")


run(main, snakemake)
