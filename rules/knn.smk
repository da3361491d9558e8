"""kNN graphs, one a model, shared by all experiments.

Reads data/KIND/D/features/M; makes results/D/knn/M_kK.npz (idx, dist) and M_kK.json (recall of the search).
"""


rule knn:
    """Nearest neighbours of every sample in one model (docs/definitions.md)."""
    input:
        "results/{dataset}/features/{model}.json",
        features=lambda w: feature_file(w.dataset, w.model),
    output:
        graph="results/{dataset}/knn/{model}_k{k}.npz",
        recall="results/{dataset}/knn/{model}_k{k}.json",
    log:
        "results/{dataset}/knn/{model}_k{k}.log",
    benchmark:
        "results/{dataset}/knn/{model}_k{k}.benchmark.jsonl"
    threads: 8  # more would help one search a little, but not several models side by side
    resources:
        mem_mb=memory(700, 6, device=config["knn"]["device"]),
        gpu=gpus(config["knn"]["device"]),
    params:
        settings=settings("knn", without=["k", "shards", *idle_backends()]),
        dim=lambda w: dim_of(w.dataset, w.model),
        source=source_hash("knn.py"),
    message:
        "{wildcards.dataset}: kNN graph of {wildcards.model}, k={wildcards.k}"
    script:
        "../scripts/knn.py"
