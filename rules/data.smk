"""What users bring: checked first; the published archive can be fetched.

Reads data/KIND/D/{features/M.npy|.bin, list.txt, meta.txt}; makes results/D/features/M.json (samples, dim).
"""


rule check_features:
    """A model's features by themselves and beside the other files of the data set, before anything long begins.

    Those are no inputs: what they hold does not change the output, and each rule that reads them checks them.
    """
    input:
        features=lambda w: feature_file(w.dataset, w.model),
    output:
        "results/{dataset}/features/{model}.json",
    log:
        "results/{dataset}/features/{model}.log",
    benchmark:
        "results/{dataset}/features/{model}.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        dim=lambda w: dataset_entry(w.dataset).get("dim"),
        folder=lambda w: data_folder(w.dataset),
        reference=lambda w: feature_file(w.dataset, dataset_entry(w.dataset)["models"][0]),
        source=source_hash("check_features.py"),
    priority: 1
    message:
        "{wildcards.dataset}: check the features of {wildcards.model}"
    script:
        "../scripts/check_features.py"
