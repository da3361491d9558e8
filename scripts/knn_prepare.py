"""Arrange a model's samples for a search in shards. Reads its features; writes what all shards begin with."""

from pathlib import Path

from cdp.features import load_features
from cdp.knn.shards import prepare, save
from scripts.job import run


def main(snakemake):
    settings = snakemake.params.settings
    prepared = prepare(
        load_features(snakemake.input.features, dim=snakemake.params.dim),
        k=int(snakemake.wildcards.k),
        backend=settings["backend"],
        device=settings["device"],
        seed=settings["seed"],
        recall=settings["recall"],
        settings={"cells": settings["cells"]} if "cells" in settings else {},
    )
    save(Path(snakemake.output[0]).parent, prepared)


run(main, snakemake)
