"""Costs. Reads the jobs' benchmark files and the recalls of kNN graphs; writes the numbers of two figures."""

from cdp.files import read_json, write_csv
from cdp.table import job_times
from scripts.job import run


def main(snakemake):
    times = [
        {"series": series, "stage": stage, "seconds": job_times(paths)}
        for series, stages in snakemake.params.stages.items()
        for stage, paths in stages.items()
    ]
    write_csv(snakemake.output.stage_times, times)
    recalls = [
        {"model": model, "k": k, "recall": read_json(path)["recall"]}
        for path, (model, k) in snakemake.params.models.items()
    ]
    write_csv(snakemake.output.knn_recall, recalls)


run(main, snakemake)
