"""Cluster by another method. Reads features or neighbours, writes meta.txt and outcome.json."""

import json

from cdp.budget import run_within
from cdp.files import read_json, write_text
from scripts.job import run


def main(snakemake):
    budget = snakemake.params.budget
    chosen = read_json(snakemake.input.choice[0]) if snakemake.input.choice else {"outcome": "done", "parameters": {}}
    failure = None if chosen["outcome"] == "done" else chosen["outcome"]
    if not failure:
        failure = run_within(
            lambda: cluster(snakemake, chosen["parameters"]), seconds=budget["max_seconds"], megabytes=budget["max_mb"]
        )
    if failure:
        write_text(snakemake.output.clusters, "")
    write_text(snakemake.output.outcome, json.dumps({"outcome": failure or "done"}) + "\n")


def cluster(snakemake, chosen):
    from cdp.baselines.method import method_on_files
    from cdp.labels import format_labels, read_labels

    settings = snakemake.params.settings | chosen
    if snakemake.input.labels:
        settings["n_clusters"] = len(set(read_labels(snakemake.input.labels[0]).tolist()))
    inputs = {"features": snakemake.input.features, "neighbors": snakemake.input.neighbors}
    method = method_on_files(snakemake.params.method, **inputs, dim=snakemake.params.dim)
    write_text(snakemake.output.clusters, format_labels(method(**settings)))


run(main, snakemake)
