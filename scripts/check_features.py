"""Check a model's features. Reads them beside list.txt and meta.txt, writes their size and hash."""

import json

from cdp.dataset import check_features
from cdp.files import sha256, write_text
from scripts.job import run


def main(snakemake):
    folder = snakemake.params.folder
    size = check_features(
        snakemake.input.features,
        dim=snakemake.params.dim,
        reference=snakemake.params.reference["path"],
        reference_dim=snakemake.params.reference["dim"],
        list_path=f"{folder}/list.txt",
        labels_path=f"{folder}/meta.txt",
    )
    content = {"sha256": sha256(snakemake.input.features)}
    write_text(snakemake.output[0], json.dumps(size | content) + "\n")


run(main, snakemake)
