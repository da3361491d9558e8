"""Thresholds that are chosen, not given: `threshold: auto`, and with it `accept: auto`.

Reads the scored pairs and labels of the labelled set, or without one the set's own scored pairs; makes
results/L/C/kK/scores_crossfit_IAS.npy and, in results/D/C/kK_SCORING_thauto/szS_stepP/, threshold.json (what was chosen),
threshold.csv (the curve) and, for `accept: auto`, scores.npy.
"""


def has_labels(wildcards):
    """Whether there is a labelled set to choose on."""
    entry = dataset_entry(wildcards.dataset)
    return entry["kind"] == "labeled" or "labeled" in entry


def set_to_choose_on(wildcards):
    """The labelled set; without one, the set itself."""
    if not has_labels(wildcards):
        return wildcards.dataset
    return labeled_set_of(wildcards.dataset, wildcards.committee, f"choosing a threshold for {wildcards.dataset}")


def folder_to_choose_on(wildcards):
    return PAIR_DIR.format(dataset=set_to_choose_on(wildcards), committee=wildcards.committee, k=wildcards.k)


def accepts_to_try(wildcards):
    """The numbers of votes among which to choose; None where the scoring takes none."""
    if not wildcards.scoring.startswith("vote"):
        return [None]
    accept = wildcards.scoring.removeprefix("vote_accept")
    if accept != "auto":
        return [int(accept)]
    if not has_labels(wildcards):
        fail(f"accept auto needs a labelled set; give data set {wildcards.dataset!r} a `labeled:` entry, or a number")
    return list(range(len(committee_models(wildcards))))


def scores_to_choose_on(wildcards):
    """One file for each number of votes; of a mediator, what it makes of identities that it was not trained on."""
    folder, scoring = folder_to_choose_on(wildcards), wildcards.scoring
    if scoring.startswith("vote"):
        return [f"{folder}/scores_vote_accept{accept}.npy" for accept in accepts_to_try(wildcards)]
    if not has_labels(wildcards):
        labeled_set_of(wildcards.dataset, wildcards.committee, f"a mediator for {wildcards.dataset}")
    return [f"{folder}/scores_crossfit_{scoring.removeprefix('mediator_')}.npy"]


def labels_to_choose_by(wildcards):
    if not has_labels(wildcards):
        return []
    return required_labels(set_to_choose_on(wildcards), f"choosing a threshold for {wildcards.dataset}")


def settings_of_choice(wildcards):
    return {
        "max_iter": config["propagation"]["max_iter"],
        "objective": config["threshold_choice"]["objective"] if has_labels(wildcards) else "stability",
    }


rule cross_fit:
    """Scores of a labelled set's pairs by mediators that were trained without the identities of the pair."""
    input:
        pairs=f"{PAIR_DIR}/pairs.npz",
        affinity=f"{PAIR_DIR}/affinity.npy",
        labels=lambda w: required_labels(w.dataset, "cross-fitting a mediator"),
    output:
        f"{PAIR_DIR}/scores_crossfit_{{inputs}}.npy",
    log:
        f"{PAIR_DIR}/scores_crossfit_{{inputs}}.log",
    benchmark:
        f"{PAIR_DIR}/scores_crossfit_{{inputs}}.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=memory(1500, 6, device=config["mediator"]["device"]),
        gpu=gpus(config["mediator"]["device"]),
    params:
        labels=lambda w: fingerprints(w.dataset, labels_of(w.dataset)),
        settings=settings("mediator") | {"folds": config["threshold_choice"]["folds"]},
        source=source_hash("cross_fit.py"),
    message:
        "{wildcards.dataset}: cross-fit mediators {wildcards.inputs} of committee {wildcards.committee}"
    script:
        "../scripts/cross_fit.py"


rule choose_threshold:
    """The threshold, and the number of votes where that is `auto` too, that does best on a labelled set."""
    input:
        pairs=lambda w: folder_to_choose_on(w) + "/pairs.npz",
        scores=scores_to_choose_on,
        labels=labels_to_choose_by,
        target=lambda w: f"results/{w.dataset}/features/{committee_models(w)[0]}.json",
    output:
        choice=f"{AUTO_DIR}/threshold.json",
        curve=f"{AUTO_DIR}/threshold.csv",
    log:
        f"{AUTO_DIR}/threshold.log",
    benchmark:
        f"{AUTO_DIR}/threshold.benchmark.jsonl"
    wildcard_constraints:
        scoring=r"vote_accept(\d+|auto)|mediator_(?!000)[01]{3}",
    threads: 1
    resources:
        mem_mb=memory(1000, 6),
    params:
        accepts=accepts_to_try,
        labeled=lambda w: set_to_choose_on(w) if has_labels(w) else None,
        labels=lambda w: fingerprints(set_to_choose_on(w), labels_to_choose_by(w)),
        settings=settings_of_choice,
        source=source_hash("choose_threshold.py"),
    message:
        "{wildcards.dataset}: choose the threshold of {wildcards.scoring}, committee {wildcards.committee}"
    script:
        "../scripts/choose_threshold.py"


rule vote_auto:
    """Score by vote (docs/definitions.md) with the number of votes that was chosen."""
    input:
        pairs=f"{PAIR_DIR}/pairs.npz",
        choice="results/{dataset}/{committee}/k{k}_vote_acceptauto_thauto/sz{max_size}_step{step}/threshold.json",
    output:
        "results/{dataset}/{committee}/k{k}_vote_acceptauto_thauto/sz{max_size}_step{step}/scores.npy",
    log:
        "results/{dataset}/{committee}/k{k}_vote_acceptauto_thauto/sz{max_size}_step{step}/scores.log",
    benchmark:
        "results/{dataset}/{committee}/k{k}_vote_acceptauto_thauto/sz{max_size}_step{step}/scores.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=memory(300, 1),
    params:
        source=source_hash("vote_auto.py"),
    message:
        "{wildcards.dataset}: vote of committee {wildcards.committee} with the chosen number of votes"
    script:
        "../scripts/vote_auto.py"
