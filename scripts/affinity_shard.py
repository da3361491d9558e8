"""Affinity of some candidate pairs. Reads pairs.npz and the models' features, base first; writes their affinity."""

from cdp.affinities import affinity
from cdp.features import load_features
from cdp.files import load_arrays, save_array
from scripts.job import run


def main(snakemake):
    (pairs,) = load_arrays(snakemake.input.pairs, "pairs")
    shard, shards = int(snakemake.wildcards.shard), int(snakemake.wildcards.shards)
    first, last = (number * len(pairs) // shards for number in (shard, shard + 1))
    features = [
        load_features(path, dim=dim) for path, dim in zip(snakemake.input.features, snakemake.params.dims, strict=True)
    ]
    save_array(snakemake.output[0], affinity(features, pairs[first:last]))


run(main, snakemake)
