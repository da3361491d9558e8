"""The tables of results, which people read first.

Reads the evaluations of all experiments and baselines and the recall of kNN graphs; makes results/D/table.md and, of the
experiments alone, results/D/cdp.md; each with a .csv that holds every figure.
"""


def evaluations(rows):
    return [row["evaluation"] for row in rows]


def recalls(rows):
    return list(dict.fromkeys(path for row in rows for path in row["knn_recalls"]))


def choices(rows):
    return [row["choice"] for row in rows if row["choice"]]


rule table:
    """One row an experiment and one a baseline, with times from the jobs' benchmark files."""
    input:
        evaluations=lambda w: evaluations(table_rows(w.dataset) + baseline_rows(w.dataset)),
        choices=lambda w: choices(table_rows(w.dataset) + baseline_rows(w.dataset)),
        recalls=lambda w: recalls(table_rows(w.dataset) + baseline_rows(w.dataset)),
        provenance="results/{dataset}/provenance.json",  # so that no table is without
    output:
        markdown=report(
            "results/{dataset}/table.md",
            caption="../captions/table.rst",
            category="{dataset}",
            labels={"what": "table"},
        ),
        csv="results/{dataset}/table.csv",
    log:
        "results/{dataset}/table.log",
    benchmark:
        "results/{dataset}/table.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=memory(500),
    params:
        rows=lambda w: table_rows(w.dataset),
        baselines=lambda w: baseline_rows(w.dataset),
        source=source_hash("table.py"),
    message:
        "{wildcards.dataset}: table of results"
    script:
        "../scripts/table.py"


rule cdp:
    """The experiments' rows alone, for those who will not wait for the baselines."""
    input:
        evaluations=lambda w: evaluations(table_rows(w.dataset)),
        choices=lambda w: choices(table_rows(w.dataset)),
        recalls=lambda w: recalls(table_rows(w.dataset)),
    output:
        markdown="results/{dataset}/cdp.md",
        csv="results/{dataset}/cdp.csv",
    log:
        "results/{dataset}/cdp.log",
    benchmark:
        "results/{dataset}/cdp.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=memory(500),
    params:
        rows=lambda w: table_rows(w.dataset),
        baselines=[],
        source=source_hash("table.py"),
    message:
        "{wildcards.dataset}: table of CDP's results"
    script:
        "../scripts/table.py"
