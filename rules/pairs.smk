"""Candidate pairs, what the committee says of them, and their scores by vote or by ground truth.

Reads results/D/knn/M_kK.npz; makes, in results/D/C/kK/, pairs.npz, affinity.npy and scores_SCORING.npy
(float32, one a candidate pair, -inf where the scoring rejects it).
"""


rule pairs:
    """Candidate pairs with similarity, votes, relationship and structure (docs/definitions.md)."""
    input:
        committee_knn,
    output:
        f"{PAIR_DIR}/pairs.npz",
    log:
        f"{PAIR_DIR}/pairs.log",
    benchmark:
        f"{PAIR_DIR}/pairs.benchmark.jsonl"
    threads: 8
    resources:
        mem_mb=lambda w, input, attempt: attempt * (400 + int((4 + 0.4 * len(input)) * input.size_files_mb[0])),
    params:
        models=committee_models,  # their order, of which a set of inputs says nothing
        source=source_hash("pairs.py"),
    message:
        "{wildcards.dataset}: candidate pairs of committee {wildcards.committee}, k={wildcards.k}"
    script:
        "../scripts/pairs.py"


rule affinity:
    """Cosine of each candidate pair in each model (docs/definitions.md)."""
    input:
        pairs=f"{PAIR_DIR}/pairs.npz",
        features=lambda w: [feature_file(w.dataset, model) for model in committee_models(w)],
    output:
        f"{PAIR_DIR}/affinity.npy",
    log:
        f"{PAIR_DIR}/affinity.log",
    benchmark:
        f"{PAIR_DIR}/affinity.benchmark.jsonl"
    threads: 8
    resources:
        mem_mb=lambda w, input, attempt: attempt
        * (500 + int(2 * input.size_files_mb[0] + 2 * max(input.size_files_mb))),
    params:
        dims=lambda w: [dim_of(w.dataset, model) for model in committee_models(w)],
        models=committee_models,
        source=source_hash("affinity.py"),
    message:
        "{wildcards.dataset}: affinity of the pairs of committee {wildcards.committee}, k={wildcards.k}"
    script:
        "../scripts/affinity.py"


rule vote:
    """Score by vote: similarity of the pairs that enough members confirm (docs/definitions.md)."""
    input:
        pairs=pairs_to_vote_on,
    output:
        f"{PAIR_DIR}/scores_vote_accept{{accept}}.npy",
    log:
        f"{PAIR_DIR}/scores_vote_accept{{accept}}.log",
    benchmark:
        f"{PAIR_DIR}/scores_vote_accept{{accept}}.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=memory(300, 1),
    params:
        source=source_hash("vote.py"),
    message:
        "{wildcards.dataset}: vote of committee {wildcards.committee}, accept={wildcards.accept}"
    script:
        "../scripts/vote.py"


rule ground_truth:
    """Score 1 for pairs whose labels agree, the upper bound (docs/definitions.md)."""
    input:
        pairs=f"{PAIR_DIR}/pairs.npz",
        labels=lambda w: required_labels(w.dataset, "strategy ground_truth"),
    output:
        f"{PAIR_DIR}/scores_ground_truth.npy",
    log:
        f"{PAIR_DIR}/scores_ground_truth.log",
    benchmark:
        f"{PAIR_DIR}/scores_ground_truth.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=memory(500, 2),
    params:
        labels=lambda w: fingerprints(w.dataset, labels_of(w.dataset)),
        source=source_hash("ground_truth.py"),
    message:
        "{wildcards.dataset}: ground truth of the pairs of committee {wildcards.committee}"
    script:
        "../scripts/ground_truth.py"
