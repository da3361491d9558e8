"""Clusters from scored pairs.

Reads pairs.npz and scores_SCORING.npy; makes, in results/D/C/kK_SCORING_thT/szS_stepP/, meta.txt and, where
asked for, soft_labels.npz (data, indices, indptr of a samples x labels CSR matrix).
"""


rule propagate:
    """Clusters of bounded size from scored pairs (docs/definitions.md)."""
    input:
        pairs=f"{PAIR_DIR}/pairs.npz",
        scores=scores_of_experiment,
        choice=chosen_threshold,
    output:
        f"{CLUSTER_DIR}/meta.txt",
    log:
        f"{CLUSTER_DIR}/meta.log",
    benchmark:
        f"{CLUSTER_DIR}/meta.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=memory(400, 2),
    params:
        settings={"max_iter": config["propagation"]["max_iter"]},
        source=source_hash("propagate.py"),
    message:
        "{wildcards.dataset}: clusters of {wildcards.scoring}, threshold {wildcards.threshold}"
    script:
        "../scripts/propagate.py"


rule soft_propagate:
    """Label weights for the samples of components that were split (docs/definitions.md)."""
    input:
        pairs=f"{PAIR_DIR}/pairs.npz",
        scores=scores_of_experiment,
        choice=chosen_threshold,
        labels=f"{CLUSTER_DIR}/meta.txt",
    output:
        f"{CLUSTER_DIR}/soft_labels.npz",
    log:
        f"{CLUSTER_DIR}/soft_labels.log",
    benchmark:
        f"{CLUSTER_DIR}/soft_labels.benchmark.jsonl"
    threads: 8
    resources:
        mem_mb=memory(1000, 10),
    params:
        settings=settings("soft_propagation", without=["enabled"]),
        source=source_hash("soft_propagate.py"),
    message:
        "{wildcards.dataset}: label weights of {wildcards.scoring}, threshold {wildcards.threshold}"
    script:
        "../scripts/soft_propagate.py"
