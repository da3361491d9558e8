"""Identities of a synthetic data set. Writes meta.txt."""

from cdp.files import write_text
from cdp.labels import format_labels
from cdp.synthetic import synthetic_labels
from scripts.job import run


def main(snakemake):
    write_text(snakemake.output[0], format_labels(synthetic_labels(**snakemake.params.settings)))


run(main, snakemake)
