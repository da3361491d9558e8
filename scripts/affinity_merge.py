"""Affinity of candidate pairs. Reads that of the parts of them; writes affinity.npy."""

from cdp.files import map_array, save_blocks
from scripts.job import run


def main(snakemake):
    parts = [map_array(path) for path in snakemake.input]
    save_blocks(snakemake.output[0], parts, shape=(sum(map(len, parts)), parts[0].shape[1]))


run(main, snakemake)
