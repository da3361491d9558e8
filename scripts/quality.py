"""Quality beside sweeps. Reads table.csv and sweep.csv; writes the numbers of three figures."""

from cdp.files import read_csv, write_csv
from cdp.quality import quality
from scripts.job import run

PARTS = {
    "precision_recall": (("sweep", "experiment", "baseline"), ("threshold", "precision", "recall", "f")),
    "f_threshold": (("sweep", "experiment"), ("threshold", "f")),
    "quality_time": (("experiment", "baseline"), ("f", "total_seconds")),
}


def main(snakemake):
    sweeps = {series: read_csv(path) for series, path in snakemake.params.sweeps.items()}
    rows = quality(read_csv(snakemake.input.table), snakemake.params.experiments, sweeps)
    for figure, (kinds, columns) in PARTS.items():
        part = [{key: row[key] for key in ("kind", "series", *columns)} for row in rows if row["kind"] in kinds]
        write_csv(snakemake.output[figure], part)


run(main, snakemake)
