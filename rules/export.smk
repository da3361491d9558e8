"""Clusters for other programs.

Reads meta.txt, confidence.npz and the data set's list.txt where it has one; makes, beside meta.txt, clusters.csv (a line a
sample), clusters.jsonl (a line a cluster) and training_list.txt (`NAME LABEL` a line, pseudo-labels to train on).
"""


rule export:
    """Every sample with its cluster and confidence, as CSV; every cluster with its samples, as JSON lines."""
    input:
        clusters=f"{CLUSTER_DIR}/meta.txt",
        confidence=f"{CLUSTER_DIR}/confidence.npz",
        names=lambda w: list_of(w.dataset),
    output:
        csv=f"{CLUSTER_DIR}/clusters.csv",
        jsonl=f"{CLUSTER_DIR}/clusters.jsonl",
    log:
        f"{CLUSTER_DIR}/clusters.log",
    benchmark:
        f"{CLUSTER_DIR}/clusters.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=memory(500, 20),
    params:
        names=lambda w: fingerprints(w.dataset, list_of(w.dataset)),
        source=source_hash("export.py"),
    message:
        "{wildcards.dataset}: export clusters of {wildcards.scoring}, threshold {wildcards.threshold}"
    script:
        "../scripts/export.py"


rule training_list:
    """Pseudo-labels without doubtful samples and small clusters, renumbered."""
    input:
        clusters=f"{CLUSTER_DIR}/meta.txt",
        confidence=f"{CLUSTER_DIR}/confidence.npz",
        names=lambda w: list_of(w.dataset),
    output:
        f"{CLUSTER_DIR}/training_list.txt",
    log:
        f"{CLUSTER_DIR}/training_list.log",
    benchmark:
        f"{CLUSTER_DIR}/training_list.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=memory(500, 20),
    params:
        settings=settings("export"),
        names=lambda w: fingerprints(w.dataset, list_of(w.dataset)),
        source=source_hash("training_list.py"),
    message:
        "{wildcards.dataset}: training list of {wildcards.scoring}, threshold {wildcards.threshold}"
    script:
        "../scripts/training_list.py"


localrules:
    exports,


rule exports:
    """All exports of all experiments of the data sets in `tables`."""
    input:
        [
            cluster_file(name, experiment, file)
            for name in config["tables"]
            for experiment in config["datasets"][name]["experiments"]
            for file in ("clusters.csv", "training_list.txt")
        ],
