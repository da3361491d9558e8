"""Candidate pairs of a committee, or of a shard's samples. Reads the models' kNN graphs, base first; writes them."""

import numpy as np

from cdp.files import map_arrays, save_blocks_of_arrays
from cdp.memory import edges_at_a_time
from cdp.neighbors import Neighbors
from cdp.pairs import candidate_pairs, sample_ranges
from scripts.job import run, share


def main(snakemake):
    base_file, *member_files = snakemake.input
    base = Neighbors(*map_arrays(base_file, "idx", "dist"))
    members = [map_arrays(path, "idx")[0] for path in member_files]
    n_samples, k = base.idx.shape
    edges = edges_at_a_time(snakemake.resources.mem_mb, n_samples=n_samples, k=k, models=1 + len(members))
    ranges = sample_ranges(base, edges=edges, samples=share(snakemake.wildcards, n_samples))
    blocks = (candidate_pairs(base, members, samples=samples)._asdict() for samples in ranges)
    save_blocks_of_arrays(snakemake.output[0], blocks, n_samples=np.int64(n_samples))


run(main, snakemake)
