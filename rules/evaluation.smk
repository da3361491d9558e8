"""How good clusters are, for one threshold or for many.

Reads meta.txt, the scored pairs and the data set's labels where it has them; makes evaluation.json beside
meta.txt, and results/D/C/kK_SCORING_sweep/szS_stepP/sweep.csv.
"""


rule evaluate:
    """Metrics of one clustering (docs/definitions.md); without labels, just what needs none."""
    input:
        clusters=f"{CLUSTER_DIR}/meta.txt",
        pairs=f"{PAIR_DIR}/pairs.npz",
        scores=scores_of_experiment,
        choice=chosen_threshold,
        labels=lambda w: labels_of(w.dataset),
    output:
        f"{CLUSTER_DIR}/evaluation.json",
    log:
        f"{CLUSTER_DIR}/evaluation.log",
    benchmark:
        f"{CLUSTER_DIR}/evaluation.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=memory(500, 3),
    params:
        labels=lambda w: fingerprints(w.dataset, labels_of(w.dataset)),
        source=source_hash("evaluate.py"),
    message:
        "{wildcards.dataset}: evaluate {wildcards.scoring}, threshold {wildcards.threshold}"
    script:
        "../scripts/evaluate.py"


rule sweep:
    """Clusters and metrics at many thresholds of one scoring, as a CSV."""
    input:
        pairs=f"{PAIR_DIR}/pairs.npz",
        scores=f"{PAIR_DIR}/scores_{{scoring}}.npy",
        labels=lambda w: labels_of(w.dataset),
    output:
        f"{SWEEP_DIR}/sweep.csv",
    log:
        f"{SWEEP_DIR}/sweep.log",
    benchmark:
        f"{SWEEP_DIR}/sweep.benchmark.jsonl"
    wildcard_constraints:
        scoring=r"vote_accept\d+|mediator_[01]{3}",
    threads: 1
    resources:
        mem_mb=memory(500, 4),
    params:
        labels=lambda w: fingerprints(w.dataset, labels_of(w.dataset)),
        settings={"max_iter": config["propagation"]["max_iter"], "thresholds": config["sweep"]["thresholds"]},
        source=source_hash("sweep.py"),
    message:
        "{wildcards.dataset}: sweep the threshold of {wildcards.scoring}, committee {wildcards.committee}"
    script:
        "../scripts/sweep.py"


rule sweeps:
    """Sweeps on labelled sets, from which to choose the thresholds of the data sets in `tables`."""
    input:
        lambda w: labeled_sweeps(),
