"""Evaluate a baseline. Reads meta.txt, outcome.json and, where there are any, labels; writes evaluation.json."""

import json

import numpy as np

from cdp.files import read_json, write_text
from cdp.labels import read_labels
from cdp.metrics import describe, evaluate
from scripts.job import run


def main(snakemake):
    figures = read_json(snakemake.input.outcome)
    if figures["outcome"] == "done":
        clusters = read_labels(snakemake.input.clusters)
        figures |= {"samples": len(clusters), "identities": None, **describe(clusters)}
        if snakemake.input.labels:
            labels = read_labels(snakemake.input.labels[0], n_samples=len(clusters))
            figures |= {"identities": len(np.unique(labels)), **evaluate(labels, clusters)}
    write_text(snakemake.output[0], json.dumps(figures, indent=2) + "\n")


run(main, snakemake)
