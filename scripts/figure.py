"""A figure. Reads its CSV, writes SVG."""

from cdp.figures import draw
from cdp.files import read_csv
from scripts.job import run


def main(snakemake):
    draw(snakemake.wildcards.figure, read_csv(snakemake.input[0]), snakemake.output[0])


run(main, snakemake)
