"""Build a table. Reads evaluation.json of experiments and baselines and the jobs' benchmark files; writes .md, .csv."""

from cdp.files import write_csv, write_text
from cdp.table import baseline_row, markdown_text, table_row, threads_by_rule
from scripts.job import run


def main(snakemake):
    rows = [table_row(row) for row in snakemake.params.rows]
    baselines = [baseline_row(row) for row in snakemake.params.baselines]
    threads = threads_by_rule([*snakemake.params.rows, *snakemake.params.baselines])
    write_csv(snakemake.output.csv, rows + baselines)
    text = markdown_text(snakemake.wildcards.dataset, rows, baselines=baselines, threads=threads)
    write_text(snakemake.output.markdown, text)


run(main, snakemake)
