"""Build the table. Reads evaluation.json of every experiment and the jobs' benchmark files; writes .md and .csv."""

from cdp.files import write_csv, write_text
from cdp.table import markdown_text, table_row, threads_by_rule
from scripts.job import run


def main(snakemake):
    rows = [table_row(row) for row in snakemake.params.rows]
    threads = threads_by_rule(snakemake.params.rows)
    write_csv(snakemake.output.csv, rows)
    write_text(snakemake.output.markdown, markdown_text(snakemake.wildcards.dataset, rows, threads=threads))


run(main, snakemake)
