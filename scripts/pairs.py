"""Candidate pairs of a committee. Reads the models' kNN graphs, base first; writes pairs.npz."""

import numpy as np

from cdp.files import load_arrays, save_arrays
from cdp.neighbors import Neighbors
from cdp.pairs import candidate_pairs
from scripts.job import run


def main(snakemake):
    base_file, *member_files = snakemake.input
    base = Neighbors(*load_arrays(base_file, "idx", "dist"))
    candidates = candidate_pairs(base, [load_arrays(path, "idx")[0] for path in member_files])
    save_arrays(snakemake.output[0], n_samples=np.int64(len(base.idx)), **candidates._asdict())


run(main, snakemake)
