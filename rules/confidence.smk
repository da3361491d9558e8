"""Confidence in clusters and in each sample's place (docs/confidence.md).

Reads pairs.npz, scores_SCORING.npy and meta.txt; makes, beside meta.txt, confidence.npz (samples, clusters: float32).
"""


rule confidence:
    """Weakest cuts of each cluster, and of each sample's place in it."""
    input:
        pairs=f"{PAIR_DIR}/pairs.npz",
        scores=scores_of_experiment,
        choice=chosen_threshold,
        clusters=f"{CLUSTER_DIR}/meta.txt",
    output:
        f"{CLUSTER_DIR}/confidence.npz",
    log:
        f"{CLUSTER_DIR}/confidence.log",
    benchmark:
        f"{CLUSTER_DIR}/confidence.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=memory(500, 6),
    params:
        source=source_hash("confidence.py"),
    message:
        "{wildcards.dataset}: confidence of {wildcards.scoring}, threshold {wildcards.threshold}"
    script:
        "../scripts/confidence.py"
