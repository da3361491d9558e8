"""Label weights. Reads pairs.npz, the pairs' scores and meta.txt; writes soft_labels.npz (CSR)."""

import numpy as np

from cdp.files import load_array, load_arrays, save_arrays
from cdp.labels import read_labels
from cdp.selection import kept_pairs, threshold_of
from cdp.soft_propagation import soft_propagate
from scripts.job import run


def main(snakemake):
    pairs, n_samples = load_arrays(snakemake.input.pairs, "pairs", "n_samples")
    threshold = threshold_of(snakemake.wildcards.threshold, snakemake.input.choice)
    kept, scores = kept_pairs(pairs, load_array(snakemake.input.scores), threshold)
    labels = read_labels(snakemake.input.labels, n_samples=int(n_samples))
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
