"""kNN graph of one model. Reads its features, writes idx and dist."""

from cdp.features import load_features
from cdp.files import save_arrays
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
        settings={"nmslib": settings.get("nmslib", {})},
    )
    save_arrays(snakemake.output[0], idx=neighbors.idx, dist=neighbors.dist)


run(main, snakemake)
