"""Quality beside sweeps. Reads table.csv, sweep.csv and chosen thresholds; writes the numbers of three figures."""

from cdp.files import read_csv, write_csv
from cdp.quality import quality
from cdp.selection import threshold_of
from scripts.job import run

PARTS = {
    "precision_recall": (("sweep", "experiment", "baseline"), ("threshold", "precision", "recall", "f")),
    "f_threshold": (("sweep", "experiment"), ("threshold", "f")),
    "quality_time": (("experiment", "baseline"), ("f", "total_seconds")),
}


def main(snakemake):
    sweeps = {series: read_csv(path) for series, path in snakemake.params.sweeps.items()}
    experiments = [
        (series, str(threshold_of(written, choice)) if choice else written)
        for series, written, choice in snakemake.params.experiments
    ]
    rows = quality(read_csv(snakemake.input.table), experiments, sweeps)
    for figure, (kinds, columns) in PARTS.items():
        part = [{key: row[key] for key in ("kind", "series", *columns)} for row in rows if row["kind"] in kinds]
        write_csv(snakemake.output[figure], part)


run(main, snakemake)
