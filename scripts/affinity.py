"""Affinity of candidate pairs. Reads pairs.npz and the models' features, base first; writes affinity.npy."""

from cdp.affinities import affinity
from cdp.features import load_features
from cdp.files import load_arrays, save_array
from scripts.job import run


def main(snakemake):
    (pairs,) = load_arrays(snakemake.input.pairs, "pairs")
    features = [
        load_features(path, dim=dim) for path, dim in zip(snakemake.input.features, snakemake.params.dims, strict=True)
    ]
    save_array(snakemake.output[0], affinity(features, pairs))


run(main, snakemake)
