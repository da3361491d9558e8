"""Candidate pairs of a committee. Reads the parts of them; writes pairs.npz."""

import numpy as np

from cdp.candidates import CandidatePairs
from cdp.files import load_arrays, save_arrays
from scripts.job import run


def main(snakemake):
    merged = {}
    for name in CandidatePairs._fields:
        merged[name] = np.concatenate([load_arrays(path, name)[0] for path in snakemake.input])
    (n_samples,) = load_arrays(snakemake.input[0], "n_samples")
    save_arrays(snakemake.output[0], n_samples=n_samples, **merged)


run(main, snakemake)
