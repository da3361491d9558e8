"""A round of a shard of a kNN search. Reads what all shards found in the round before; writes what this one finds."""

from pathlib import Path

from cdp.knn.shards import join, load, load_found, save_found, search_shard
from scripts.job import run


def main(snakemake):
    settings, wildcards = snakemake.params.settings, snakemake.wildcards
    shard, before = int(wildcards.shard), None
    if snakemake.input.before:
        own = load_found(snakemake.input.before[shard])
        if own.is_enough:
            save_found(snakemake.output[0], own)
            return
        before = join([load_found(path) for path in snakemake.input.before])
    found = search_shard(
        load(Path(snakemake.input.prepared[0]).parent),
        before,
        shard=shard,
        shards=int(wildcards.shards),
        number=int(wildcards.round),
        k=int(wildcards.k),
        device=settings["device"],
        seed=settings["seed"],
        recall=settings["recall"],
    )
    save_found(snakemake.output[0], found)


run(main, snakemake)
