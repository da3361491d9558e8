"""List samples to train on. Reads meta.txt, confidence.npz and list.txt, if any; writes training_list.txt."""

import logging

from cdp.export import sample_names, training_labels, write_training_list
from cdp.files import load_arrays
from cdp.labels import read_labels
from scripts.job import run


def main(snakemake):
    (confidence,) = load_arrays(snakemake.input.confidence, "samples")
    clusters = read_labels(snakemake.input.clusters, n_samples=len(confidence))
    names = sample_names(next(iter(snakemake.input.names), None), len(clusters))
    labels = training_labels(clusters, confidence, **snakemake.params.settings)
    write_training_list(snakemake.output[0], names, labels)
    logging.info("%d of %d samples with %d labels", (labels >= 0).sum(), len(labels), labels.max() + 1)


run(main, snakemake)
