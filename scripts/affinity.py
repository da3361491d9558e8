"""Affinity of candidate pairs, or of a shard's. Reads pairs.npz and the models' features, base first; writes it."""

from cdp.affinities import affinity
from cdp.features import load_features
from cdp.files import map_arrays, save_blocks
from cdp.memory import affinity_at_a_time
from scripts.job import run, share


def main(snakemake):
    (pairs,) = map_arrays(snakemake.input.pairs, "pairs")
    first, last = share(snakemake.wildcards, len(pairs))
    pairs = pairs[first:last]
    features = [
        load_features(path, dim=dim) for path, dim in zip(snakemake.input.features, snakemake.params.dims, strict=True)
    ]
    size, rows = affinity_at_a_time(
        snakemake.resources.mem_mb,
        n_samples=len(features[0]),
        n_pairs=len(pairs),
        dim=max(model.shape[1] for model in features),
        models=len(features),
    )
    parts = (pairs[start : start + size] for start in range(0, max(1, len(pairs)), max(1, size)))
    blocks = (affinity(features, part, rows=rows) for part in parts)
    save_blocks(snakemake.output[0], blocks, shape=(len(pairs), len(features)))


run(main, snakemake)
