"""Cluster scored pairs. Reads pairs.npz and the pairs' scores, writes meta.txt."""

from cdp.files import write_text
from cdp.labels import format_labels
from cdp.propagation import propagate
from cdp.selection import load_kept_pairs, threshold_of
from scripts.job import run


def main(snakemake):
    threshold = threshold_of(snakemake.wildcards.threshold, snakemake.input.choice)
    kept, scores, n_samples = load_kept_pairs(snakemake.input.pairs, snakemake.input.scores, threshold)
    labels = propagate(
        kept,
        scores,
        n_samples,
        max_size=int(snakemake.wildcards.max_size),
        step=float(snakemake.wildcards.step),
        **snakemake.params.settings,
    )
    write_text(snakemake.output[0], format_labels(labels))


run(main, snakemake)
