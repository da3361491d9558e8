"""Confidence in clusters. Reads pairs.npz, the pairs' scores and meta.txt; writes confidence.npz."""

from cdp.confidence import confidence
from cdp.files import load_array, load_arrays, save_arrays
from cdp.labels import read_labels
from cdp.selection import kept_pairs, threshold_of
from scripts.job import run


def main(snakemake):
    pairs, n_samples = load_arrays(snakemake.input.pairs, "pairs", "n_samples")
    threshold = threshold_of(snakemake.wildcards.threshold, snakemake.input.choice)
    kept, scores = kept_pairs(pairs, load_array(snakemake.input.scores), threshold)
    labels = read_labels(snakemake.input.clusters, n_samples=int(n_samples))
    save_arrays(snakemake.output[0], **confidence(kept, scores, labels)._asdict())


run(main, snakemake)
