"""Confidence in clusters. Reads pairs.npz, the pairs' scores and meta.txt; writes confidence.npz."""

from cdp.confidence import confidence
from cdp.files import save_arrays
from cdp.labels import read_labels
from cdp.selection import load_kept_pairs, threshold_of
from scripts.job import run


def main(snakemake):
    threshold = threshold_of(snakemake.wildcards.threshold, snakemake.input.choice)
    kept, scores, n_samples = load_kept_pairs(snakemake.input.pairs, snakemake.input.scores, threshold)
    labels = read_labels(snakemake.input.clusters, n_samples=n_samples)
    save_arrays(snakemake.output[0], **confidence(kept, scores, labels)._asdict())


run(main, snakemake)
