"""Confidence in clusters. Reads pairs.npz, the pairs' scores and meta.txt; writes confidence.npz."""

from cdp.confidence import confidence
from cdp.files import load_array, load_arrays, save_arrays
from cdp.labels import read_labels
from scripts.job import run


def main(snakemake):
    pairs, n_samples = load_arrays(snakemake.input.pairs, "pairs", "n_samples")
    labels = read_labels(snakemake.input.clusters, n_samples=int(n_samples))
    found = confidence(pairs, load_array(snakemake.input.scores), labels)
    save_arrays(snakemake.output[0], **found._asdict())


run(main, snakemake)
