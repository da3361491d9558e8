"""Say what a table rests on. Reads labels, the hashes of features and the jobs' benchmark files; writes a record."""

import json

from cdp.files import write_text
from cdp.provenance import provenance
from scripts.job import run


def main(snakemake):
    params = snakemake.params
    record = provenance(
        config=params.config,
        features=dict(zip(params.features, snakemake.input.features, strict=True)),
        labels=snakemake.input.labels,
        benchmarks=params.benchmarks,
        packages=params.packages,
    )
    write_text(snakemake.output[0], json.dumps(record, indent=2, sort_keys=True) + "\n")


run(main, snakemake)
