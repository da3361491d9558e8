"""Check a data set's files. Reads features, list.txt, meta.txt; writes dataset.json."""

import json
from pathlib import Path

from cdp.dataset import check_dataset
from cdp.files import write_text
from scripts.job import run


def main(snakemake):
    report = check_dataset(
        {Path(path).stem: path for path in snakemake.input.features},
        dim=snakemake.params.dim,
        list_path=next(iter(snakemake.input.list), None),
        labels_path=next(iter(snakemake.input.labels), None),
    )
    write_text(snakemake.output[0], json.dumps(report, indent=2) + "\n")


run(main, snakemake)  # noqa: F821
