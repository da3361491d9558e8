"""Fetch the published data sets. Downloads and unpacks their archive into data/, writes a list of its files."""

from cdp.fetch import fetch_data
from cdp.files import write_text
from scripts.job import run


def main(snakemake):
    files = fetch_data(snakemake.params.url, folder="data", dims=snakemake.params.dims)
    write_text(snakemake.output[0], "".join(f"{path}\t{size}\n" for path, size in sorted(files.items())))


run(main, snakemake)
