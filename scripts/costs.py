"""Costs. Reads the jobs' benchmark files and the recalls of kNN graphs; writes the numbers of two figures."""

import json
from pathlib import Path

from cdp.files import write_csv
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
        {"model": model, "k": k, "recall": json.loads(Path(path).read_text(encoding="utf-8"))["recall"]}
        for path, (model, k) in snakemake.params.models.items()
    ]
    write_csv(snakemake.output.knn_recall, recalls)


run(main, snakemake)
