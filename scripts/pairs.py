"""Candidate pairs of a committee. Reads the models' kNN graphs, base first; writes pairs.npz."""

import numpy as np

from cdp.files import load_arrays, save_arrays
from cdp.knn import Neighbors
from cdp.pairs import candidate_pairs
from scripts.job import run


def main(snakemake):
    base, *committee = (Neighbors(*load_arrays(path, "idx", "dist")) for path in snakemake.input)
    candidates = candidate_pairs(base, committee)
    save_arrays(snakemake.output[0], n_samples=np.int64(len(base.idx)), **candidates._asdict())


run(main, snakemake)
