"""Affinity of candidate pairs. Reads that of the parts of them; writes affinity.npy."""

import numpy as np

from cdp.files import load_array, save_array
from scripts.job import run


def main(snakemake):
    save_array(snakemake.output[0], np.concatenate([load_array(path) for path in snakemake.input]))


run(main, snakemake)
