"""Sizes of clusters. Reads meta.txt of experiments and, where there are any, labels; writes their numbers by size."""

import numpy as np

from cdp.files import write_csv
from cdp.labels import read_labels
from scripts.job import run


def main(snakemake):
    files = [*snakemake.params.series.items(), *(("truth", path) for path in snakemake.input.labels)]
    rows = []
    for series, path in files:
        labels = read_labels(path)
        sizes = np.unique(labels[labels >= 0], return_counts=True)[1]
        alone = np.ones(np.count_nonzero(labels < 0), int)
        for size, clusters in zip(*np.unique(np.concatenate([sizes, alone]), return_counts=True), strict=True):
            rows.append({"series": series, "size": size, "clusters": clusters})
    write_csv(snakemake.output[0], rows)


run(main, snakemake)
