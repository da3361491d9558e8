"""The table of results, which people read first.

Reads the evaluation of every experiment and the recall of its kNN graphs; makes results/D/table.md and table.csv.
"""


rule table:
    """One row an experiment (DESIGN 6), with times from the jobs' benchmark files."""
    input:
        evaluations=lambda w: [row["evaluation"] for row in table_rows(w.dataset)],
        recalls=lambda w: list(dict.fromkeys(path for row in table_rows(w.dataset) for path in row["knn_recalls"])),
    output:
        markdown="results/{dataset}/table.md",
        csv="results/{dataset}/table.csv",
    log:
        "results/{dataset}/table.log",
    benchmark:
        "results/{dataset}/table.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=500,
    params:
        rows=lambda w: table_rows(w.dataset),
        source=source_hash("table.py"),
    message:
        "{wildcards.dataset}: table of results"
    script:
        "../scripts/table.py"
