"""Export clusters. Reads meta.txt, confidence.npz and, where there is one, list.txt; writes clusters.csv and .jsonl."""

from cdp.export import sample_names, write_clusters_csv, write_clusters_jsonl
from cdp.files import load_arrays
from cdp.labels import read_labels
from scripts.job import run


def main(snakemake):
    of_samples, of_clusters = load_arrays(snakemake.input.confidence, "samples", "clusters")
    clusters = read_labels(snakemake.input.clusters, n_samples=len(of_samples))
    names = sample_names(next(iter(snakemake.input.names), None), len(clusters))
    write_clusters_csv(snakemake.output.csv, names, clusters, of_samples)
    write_clusters_jsonl(snakemake.output.jsonl, names, clusters, of_clusters)


run(main, snakemake)
