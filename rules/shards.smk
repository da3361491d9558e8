"""kNN graphs and pair features in `knn: {shards: n}` independent jobs; the files are those of one job, to the byte.

Each model's samples are arranged once; in each round, every shard searches for some of them, from what all found in the round
before (cdp/knn/shards.py). Makes results/D/knn/M_kK.npz and .json, and, in results/D/C/kK/, pairs.npz and affinity.npy.
"""

ROUNDS = 10  # cdp.knn.cells.ROUNDS; to import it would take each job a second
KNN_SHARDS = "results/{dataset}/knn/{model}_k{k}_shards"
PREPARED = expand(
    KNN_SHARDS + "/{name}",
    name=["cells.npz", "parts.npz", "groups.npz", "vectors.npy", "heads.npy", "necks.npy", "halves.npy"],
    allow_missing=True,
)


ruleorder: knn_merge > knn
ruleorder: pairs_merge > pairs
ruleorder: affinity_merge > affinity


def found_in_round(wildcards, number):
    """What each shard of a kNN search found in a round."""
    return round_files(KNN_SHARDS.format(**wildcards), number)


def round_files(folder, number):
    shards = config["knn"]["shards"]
    return [f"{folder}/round{number}_{shard}of{shards}.npz" for shard in range(shards)]


def parts_of(path):
    """The shards' parts of a file of pairs."""
    path, shards = Path(path), config["knn"]["shards"]
    return [f"{path.parent}/{path.stem}_shards/{shard}of{shards}{path.suffix}" for shard in range(shards)]


def files_of_shards(path):
    """What jobs of shards make on the way to a file."""
    path = Path(path)
    if path.parent.name == "knn":
        folder = path.parent / f"{path.stem}_shards"
        rounds = range(ROUNDS + 1)
        return [f"{folder}/prepare", *(name for number in rounds for name in round_files(folder, number))]
    return parts_of(path) if path.name in ("pairs.npz", "affinity.npy") else []


rule knn_prepare:
    """What all shards of a kNN search begin with."""
    input:
        "results/{dataset}/features/{model}.json",
        features=lambda w: feature_file(w.dataset, w.model),
    output:
        [temp(path) for path in PREPARED],
    log:
        f"{KNN_SHARDS}/prepare.log",
    benchmark:
        f"{KNN_SHARDS}/prepare.benchmark.jsonl"
    threads: 16
    resources:
        mem_mb=memory(700, 6, device=config["knn"]["device"]),
        gpu=gpus(config["knn"]["device"]),
    params:
        settings=settings("knn", without=["k", "shards", *idle_backends()]),
        dim=lambda w: dim_of(w.dataset, w.model),
        source=source_hash("knn_prepare.py"),
    message:
        "{wildcards.dataset}: samples of {wildcards.model} arranged, k={wildcards.k}"
    script:
        "../scripts/knn_prepare.py"


rule knn_round:
    """What one shard of a kNN search finds, from what all found in the round before."""
    input:
        prepared=PREPARED,
        before=lambda w: found_in_round(w, int(w.round) - 1) if int(w.round) else [],
    output:
        temp(f"{KNN_SHARDS}/round{{round}}_{{shard}}of{{shards}}.npz"),
    log:
        f"{KNN_SHARDS}/round{{round}}_{{shard}}of{{shards}}.log",
    benchmark:
        f"{KNN_SHARDS}/round{{round}}_{{shard}}of{{shards}}.benchmark.jsonl"
    threads: 16
    resources:
        mem_mb=memory(700, 2, device=config["knn"]["device"]),
        gpu=gpus(config["knn"]["device"]),
    params:
        settings=settings("knn", without=["k", "shards", *idle_backends()]),
        source=source_hash("knn_round.py"),
    message:
        "{wildcards.dataset}: kNN of {wildcards.model}, k={wildcards.k}, round {wildcards.round}, shard {wildcards.shard}"
    script:
        "../scripts/knn_round.py"


rule knn_merge:
    """Nearest neighbours of every sample in one model (docs/definitions.md), from what all shards found."""
    input:
        prepared=PREPARED,
        found=lambda w: found_in_round(w, ROUNDS),
    output:
        graph="results/{dataset}/knn/{model}_k{k}.npz",
        recall="results/{dataset}/knn/{model}_k{k}.json",
    log:
        "results/{dataset}/knn/{model}_k{k}.log",
    benchmark:
        "results/{dataset}/knn/{model}_k{k}.benchmark.jsonl"
    threads: 16
    resources:
        mem_mb=memory(500, 2),
    params:
        settings=settings("knn", without=["k", "shards", *idle_backends()]),
        dim=lambda w: dim_of(w.dataset, w.model),
        source=source_hash("knn_merge.py"),
    message:
        "{wildcards.dataset}: kNN graph of {wildcards.model}, k={wildcards.k}"
    script:
        "../scripts/knn_merge.py"


rule pairs_shard:
    """The candidate pairs of some samples."""
    input:
        committee_knn,
    output:
        temp(f"{PAIR_DIR}/pairs_shards/{{shard}}of{{shards}}.npz"),
    log:
        f"{PAIR_DIR}/pairs_shards/{{shard}}of{{shards}}.log",
    benchmark:
        f"{PAIR_DIR}/pairs_shards/{{shard}}of{{shards}}.benchmark.jsonl"
    threads: 8
    resources:
        mem_mb=memory(500, 1),
    params:
        models=committee_models,  # their order, of which a set of inputs says nothing
        source=source_hash("pairs.py"),
    message:
        "{wildcards.dataset}: candidate pairs of committee {wildcards.committee}, k={wildcards.k}, shard {wildcards.shard}"
    script:
        "../scripts/pairs.py"


rule pairs_merge:
    """Candidate pairs with similarity, votes, relationship and structure (docs/definitions.md)."""
    input:
        parts_of(f"{PAIR_DIR}/pairs.npz"),
    output:
        f"{PAIR_DIR}/pairs.npz",
    log:
        f"{PAIR_DIR}/pairs.log",
    benchmark:
        f"{PAIR_DIR}/pairs.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=memory(300, 1),
    params:
        models=committee_models,
        source=source_hash("pairs_merge.py"),
    message:
        "{wildcards.dataset}: candidate pairs of committee {wildcards.committee}, k={wildcards.k}"
    script:
        "../scripts/pairs_merge.py"


rule affinity_shard:
    """Cosine of some of the candidate pairs in each model."""
    input:
        pairs=f"{PAIR_DIR}/pairs.npz",
        features=lambda w: [feature_file(w.dataset, model) for model in committee_models(w)],
    output:
        temp(f"{PAIR_DIR}/affinity_shards/{{shard}}of{{shards}}.npy"),
    log:
        f"{PAIR_DIR}/affinity_shards/{{shard}}of{{shards}}.log",
    benchmark:
        f"{PAIR_DIR}/affinity_shards/{{shard}}of{{shards}}.benchmark.jsonl"
    threads: 8
    resources:
        mem_mb=lambda w, input, attempt: attempt
        * (500 + int(2 * input.size_files_mb[0] + 2 * max(input.size_files_mb))),
    params:
        dims=lambda w: [dim_of(w.dataset, model) for model in committee_models(w)],
        models=committee_models,
        source=source_hash("affinity.py"),
    message:
        "{wildcards.dataset}: affinity of the pairs of committee {wildcards.committee}, k={wildcards.k}, shard {wildcards.shard}"
    script:
        "../scripts/affinity.py"


rule affinity_merge:
    """Cosine of each candidate pair in each model (docs/definitions.md)."""
    input:
        parts_of(f"{PAIR_DIR}/affinity.npy"),
    output:
        f"{PAIR_DIR}/affinity.npy",
    log:
        f"{PAIR_DIR}/affinity.log",
    benchmark:
        f"{PAIR_DIR}/affinity.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=memory(300, 1),
    params:
        dims=lambda w: [dim_of(w.dataset, model) for model in committee_models(w)],
        models=committee_models,
        source=source_hash("affinity_merge.py"),
    message:
        "{wildcards.dataset}: affinity of the pairs of committee {wildcards.committee}, k={wildcards.k}"
    script:
        "../scripts/affinity_merge.py"
