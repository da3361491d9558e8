"""What users bring: checked once a data set; the published archive can be fetched.

Reads data/KIND/D/{features/M.npy|.bin, list.txt, meta.txt}; makes results/D/dataset.json.
"""


rule check_dataset:
    """Sizes and values of all files of a data set, before anything long begins."""
    input:
        features=lambda w: feature_files(w.dataset),
        list=lambda w: optional_file(w.dataset, "list.txt"),
        labels=lambda w: labels_of(w.dataset),
    output:
        "results/{dataset}/dataset.json",
    log:
        "results/{dataset}/dataset.log",
    benchmark:
        "results/{dataset}/dataset.benchmark.jsonl"
    threads: 4
    resources:
        mem_mb=1000,
    params:
        dim=lambda w: dataset_entry(w.dataset).get("dim"),
        source=source_hash("check_dataset.py"),
    message:
        "{wildcards.dataset}: check features, list and labels"
    script:
        "../scripts/check_dataset.py"
