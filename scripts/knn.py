"""kNN graph of one model. Reads its features; writes idx and dist, and the recall of the search."""

import json

from cdp.features import load_features
from cdp.files import save_arrays, write_text
from cdp.knn import knn_graph
from scripts.job import run


def main(snakemake):
    settings = snakemake.params.settings
    neighbors = knn_graph(
        load_features(snakemake.input.features, dim=snakemake.params.dim),
        k=int(snakemake.wildcards.k),
        backend=settings["backend"],
        device=settings["device"],
        threads=snakemake.threads,
        seed=settings["seed"],
        recall=settings["recall"],
        settings={backend: settings[backend] for backend in ("cells", "faiss", "nmslib") if backend in settings},
    )
    save_arrays(snakemake.output.graph, idx=neighbors.idx, dist=neighbors.dist)
    write_text(snakemake.output.recall, json.dumps({"recall": neighbors.recall}) + "\n")


run(main, snakemake)
