"""Cluster by another method. Reads features or neighbours, writes meta.txt and outcome.json."""

import importlib
import json

from cdp.budget import run_within
from cdp.files import write_text
from scripts.job import run


def main(snakemake):
    budget = snakemake.params.budget
    outcome = run_within(lambda: cluster(snakemake), seconds=budget["max_seconds"], megabytes=budget["max_mb"])
    if outcome:
        write_text(snakemake.output.clusters, "")
    write_text(snakemake.output.outcome, json.dumps({"outcome": outcome or "done"}) + "\n")


def cluster(snakemake):
    from cdp.features import load_features
    from cdp.files import load_arrays
    from cdp.labels import format_labels, read_labels
    from cdp.neighbors import Neighbors

    method = getattr(importlib.import_module(f"cdp.baselines.{snakemake.params.method}"), snakemake.params.method)
    settings = dict(snakemake.params.settings)
    if snakemake.input.labels:
        settings["n_clusters"] = len(set(read_labels(snakemake.input.labels[0]).tolist()))
    inputs = [load_features(path, dim=snakemake.params.dim) for path in snakemake.input.features]
    inputs += [Neighbors(*load_arrays(path, "idx", "dist")) for path in snakemake.input.neighbors]
    write_text(snakemake.output.clusters, format_labels(method(*inputs, **settings)))


run(main, snakemake)
