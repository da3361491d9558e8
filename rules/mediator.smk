"""The mediator: trained on a labelled set, applied to every set with the same committee.

Reads pairs.npz, affinity.npy and the labelled set's meta.txt; makes results/L/C/kK/mediator_IAS.pt and
results/D/C/kK/scores_mediator_IAS.npy.
"""


rule train_mediator:
    """Train on the candidate pairs of a labelled set (docs/definitions.md)."""
    input:
        pairs=f"{PAIR_DIR}/pairs.npz",
        affinity=f"{PAIR_DIR}/affinity.npy",
        labels=lambda w: required_labels(w.dataset, "training a mediator"),
    output:
        f"{PAIR_DIR}/mediator_{{inputs}}.pt",
    log:
        f"{PAIR_DIR}/mediator_{{inputs}}.log",
    benchmark:
        f"{PAIR_DIR}/mediator_{{inputs}}.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=memory(1500, 3, device=config["mediator"]["device"]),
        gpu=gpus(config["mediator"]["device"]),
    params:
        labels=lambda w: fingerprints(w.dataset, labels_of(w.dataset)),
        settings=settings("mediator"),
        source=source_hash("train_mediator.py"),
    message:
        "{wildcards.dataset}: train mediator {wildcards.inputs} of committee {wildcards.committee}"
    script:
        "../scripts/train_mediator.py"


rule score_pairs:
    """The mediator's probability that a pair is of one identity (docs/definitions.md)."""
    input:
        pairs=f"{PAIR_DIR}/pairs.npz",
        affinity=f"{PAIR_DIR}/affinity.npy",
        mediator=mediator_file,
    output:
        f"{PAIR_DIR}/scores_mediator_{{inputs}}.npy",
    log:
        f"{PAIR_DIR}/scores_mediator_{{inputs}}.log",
    benchmark:
        f"{PAIR_DIR}/scores_mediator_{{inputs}}.benchmark.jsonl"
    threads: 4
    resources:
        mem_mb=memory(1500, 1.3, device=config["mediator"]["device"]),
        gpu=gpus(config["mediator"]["device"]),
    params:
        settings={"device": config["mediator"]["device"]},
        source=source_hash("score_pairs.py"),
    message:
        "{wildcards.dataset}: score pairs with mediator {wildcards.inputs} of committee {wildcards.committee}"
    script:
        "../scripts/score_pairs.py"
