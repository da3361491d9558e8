"""The report. Reads table.md and the figures with their numbers, writes one HTML page."""

from pathlib import Path

from cdp.files import write_text
from cdp.report import ReportFigure, report_page
from scripts.job import run


def main(snakemake):
    files = zip(snakemake.params.captions, snakemake.input.figures, snakemake.input.numbers, strict=True)
    figures = [ReportFigure(*captions, read(svg), read(numbers)) for captions, svg, numbers in files]
    write_text(snakemake.output[0], report_page(read(snakemake.input.table), figures))


def read(path):
    return Path(path).read_text(encoding="utf-8")


run(main, snakemake)
