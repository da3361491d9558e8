"""Candidate pairs of some samples. Reads the models' kNN graphs, base first; writes a part of pairs.npz."""

import numpy as np

from cdp.files import load_arrays, save_arrays
from cdp.neighbors import Neighbors
from cdp.pairs import candidate_pairs
from scripts.job import run


def main(snakemake):
    base_file, *member_files = snakemake.input
    shard, shards = int(snakemake.wildcards.shard), int(snakemake.wildcards.shards)
    base = Neighbors(*load_arrays(base_file, "idx", "dist"))
    first_samples = range(*(number * len(base.idx) // shards for number in (shard, shard + 1)))
    members = [load_arrays(path, "idx")[0] for path in member_files]
    candidates = candidate_pairs(base, members, first_samples=first_samples)
    save_arrays(snakemake.output[0], n_samples=np.int64(len(base.idx)), **candidates._asdict())


run(main, snakemake)
