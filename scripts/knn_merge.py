"""kNN graph of one model. Reads what all shards found in the last round; writes idx, dist and the recall."""

import json
from pathlib import Path

from cdp.files import save_arrays, write_text
from cdp.knn.shards import join, load, load_found, merge
from scripts.job import run


def main(snakemake):
    found = join([load_found(path) for path in snakemake.input.found])
    neighbors = merge(load(Path(snakemake.input.prepared[0]).parent), found, k=int(snakemake.wildcards.k))
    save_arrays(snakemake.output.graph, idx=neighbors.idx, dist=neighbors.dist)
    write_text(snakemake.output.recall, json.dumps({"recall": neighbors.recall}) + "\n")


run(main, snakemake)
