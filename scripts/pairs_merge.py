"""Candidate pairs of a committee. Reads the parts of them; writes pairs.npz."""

from cdp.candidates import CandidatePairs
from cdp.files import load_arrays, map_arrays, save_blocks_of_arrays
from scripts.job import run


def main(snakemake):
    names = CandidatePairs._fields
    parts = (dict(zip(names, map_arrays(path, *names), strict=True)) for path in snakemake.input)
    (n_samples,) = load_arrays(snakemake.input[0], "n_samples")
    save_blocks_of_arrays(snakemake.output[0], parts, n_samples=n_samples)


run(main, snakemake)
