"""Score candidate pairs by their labels. Reads pairs.npz and meta.txt, writes one score a pair."""

from cdp.files import map_arrays, save_array
from cdp.ground_truth import ground_truth_scores
from cdp.labels import read_labels
from scripts.job import run


def main(snakemake):
    pairs, n_samples = map_arrays(snakemake.input.pairs, "pairs", "n_samples")
    labels = read_labels(snakemake.input.labels[0], n_samples=int(n_samples))
    save_array(snakemake.output[0], ground_truth_scores(pairs, labels))


run(main, snakemake)
