"""Choose a baseline's parameters. Reads features or neighbours of a labelled set, its labels; writes .json, .csv."""

import json
import logging

from cdp.files import write_csv, write_text
from cdp.grid_search import grid_search
from cdp.labels import read_labels
from cdp.threshold_choice import choose
from scripts.job import run


def main(snakemake):
    grid, budget, objective = snakemake.params.grid, snakemake.params.budget, snakemake.params.objective
    labels = read_labels(snakemake.input.labels[0])
    rows = grid_search(
        lambda **setting: cluster(snakemake, setting),
        grid,
        labels_true=labels,
        seconds=budget["max_seconds"],
        megabytes=budget["max_mb"],
    )
    done = [row for row in rows if row["outcome"] == "done"]
    choice = {"objective": objective, "labeled": snakemake.params.labeled, "settings": len(rows), "tried": len(done)}
    choice |= {"outcome": "done", "parameters": {}}
    try:
        if not done:
            raise ValueError(f"none of {len(rows)} settings gave clusters; of the first: {rows[0]['outcome']}")
        best = choose(done, objective=objective)
        choice |= {"parameters": {key: best[key] for key in grid}, "f": best["f"], "bcubed_f": best["bcubed_f"]}
    except ValueError as error:
        choice["outcome"] = f"no parameters chosen: {error}"
    write_csv(snakemake.output.tried, rows)
    write_text(snakemake.output.choice, json.dumps(choice, indent=2) + "\n")
    logging.info("chosen by %s: %s", objective, choice["parameters"] or choice["outcome"])


def cluster(snakemake, setting):
    from cdp.baselines.method import method_on_files

    inputs = {"features": snakemake.input.features, "neighbors": snakemake.input.neighbors}
    method = method_on_files(snakemake.params.method, **inputs, dim=snakemake.params.dim)
    return method(**snakemake.params.settings, **setting)


run(main, snakemake)
