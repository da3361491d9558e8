"""Label weights. Reads pairs.npz, the pairs' scores and meta.txt; writes soft_labels.npz (CSR)."""

import numpy as np

from cdp.files import save_arrays
from cdp.labels import read_labels
from cdp.selection import load_kept_pairs, threshold_of
from cdp.soft_propagation import soft_propagate
from scripts.job import run


def main(snakemake):
    threshold = threshold_of(snakemake.wildcards.threshold, snakemake.input.choice)
    kept, scores, n_samples = load_kept_pairs(snakemake.input.pairs, snakemake.input.scores, threshold)
    labels = read_labels(snakemake.input.labels, n_samples=n_samples)
    weights = soft_propagate(
        kept, scores, labels, max_size=int(snakemake.wildcards.max_size), **snakemake.params.settings
    )
    save_arrays(
        snakemake.output[0],
        data=weights.data,
        indices=weights.indices,
        indptr=weights.indptr,
        shape=np.array(weights.shape),
    )


run(main, snakemake)
