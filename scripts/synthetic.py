"""One model's features of a synthetic data set. Reads meta.txt, writes them as .npy."""

from cdp.files import save_blocks
from cdp.labels import read_labels
from cdp.synthetic import synthetic_features
from scripts.job import run


def main(snakemake):
    labels = read_labels(snakemake.input[0])
    settings = snakemake.params.settings
    blocks = synthetic_features(labels, model=snakemake.wildcards.model, threads=snakemake.threads, **settings)
    save_blocks(snakemake.output[0], blocks, shape=(len(labels), settings["dim"]))


run(main, snakemake)
