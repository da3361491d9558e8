"""Other clustering methods, for comparison (docs/baselines.md).

Reads features or a cached kNN graph and, for parameters that are `auto`, what was chosen; makes, in
results/D/baselines/NAME/, meta.txt, outcome.json ("done", or why there are no clusters: then meta.txt is empty) and
evaluation.json.
"""

BASELINE_DIR = "results/{dataset}/baselines/{baseline}"


def baseline_entry(wildcards):
    baselines = dataset_entry(wildcards.dataset)["baselines"]
    if wildcards.baseline not in baselines:
        fail(
            f"data set {wildcards.dataset!r} has no baseline {wildcards.baseline!r}; it has: "
            f"{', '.join(baselines) or 'none'}"
        )
    return baselines[wildcards.baseline]


def baseline_features(name, entry):
    """The features that its method works on, as a list of none or one file."""
    return [feature_file(name, entry["model"])] if "features" in BASELINE_INPUTS[entry["method"]] else []


def baseline_neighbors(name, entry):
    """The kNN graph that its method works on, as a list of none or one file."""
    return [baseline_knn(name, entry)] if "neighbors" in BASELINE_INPUTS[entry["method"]] else []


def baseline_knn(name, entry):
    return f"results/{name}/knn/{entry['model']}_k{entry['k']}.npz"


def baseline_settings(entry):
    """What its method takes from the config; what is chosen, and the true number of clusters, are read from files."""
    own = {key: entry[key] for key in sorted(entry) if key not in ("k", "method", "model", "published")}
    return {key: value for key, value in own.items() if value != "auto" and not (key == "n_clusters" and value is True)}


def baseline_module(entry):
    return f"cdp.baselines.{entry['method']}"


def baseline_rows(name):
    """What the table needs to know of each baseline: its setting, its files, the times that count for it."""
    rows = []
    for baseline, entry in dataset_entry(name)["baselines"].items():
        folder = BASELINE_DIR.format(dataset=name, baseline=baseline)
        shared = baseline_neighbors(name, entry)
        rows.append(
            {
                "method": baseline,
                "setting": baseline_setting(name, baseline, entry),
                "true_number": entry.get("n_clusters") is True,
                "choice": f"{folder}/parameters.json" if "auto" in entry.values() else None,
                "evaluation": f"{folder}/evaluation.json",
                "knn_recalls": [str(Path(path).with_suffix(".json")) for path in shared],
                "knn_benchmarks": [benchmark for path in shared for benchmark in benchmarks_of_jobs(path)],
                "cluster_benchmarks": [benchmark_of(f"{folder}/meta.txt")],
                "published": entry.get("published"),
            }
        )
    return rows


def baseline_setting(name, baseline, entry):
    """Such as `k 80 threshold 0.6`, after what does not go without saying: the method, and the model."""
    parts = [entry["method"]] if entry["method"] != baseline else []
    parts += [entry["model"]] if entry["model"] != dataset_entry(name)["models"][0] else []
    shown = {key: entry[key] for key in sorted(entry) if key not in ("method", "model", "published", "seed")}
    return " ".join(parts + [f"{key} {'true' if value is True else value}" for key, value in shown.items()])


def baseline_labels(wildcards):
    """Labels, if their number of identities is wanted."""
    if baseline_entry(wildcards).get("n_clusters") is not True:
        return []
    return required_labels(wildcards.dataset, f"baseline {wildcards.baseline} with n_clusters true")


rule baseline:
    """Clusters by one method, within its budget of time and memory."""
    input:
        lambda w: f"results/{w.dataset}/features/{baseline_entry(w)['model']}.json",
        choice=lambda w: chosen_parameters(w),
        features=lambda w: baseline_features(w.dataset, baseline_entry(w)),
        neighbors=lambda w: baseline_neighbors(w.dataset, baseline_entry(w)),
        labels=baseline_labels,
    output:
        clusters=f"{BASELINE_DIR}/meta.txt",
        outcome=f"{BASELINE_DIR}/outcome.json",
    log:
        f"{BASELINE_DIR}/meta.log",
    benchmark:
        f"{BASELINE_DIR}/meta.benchmark.jsonl"
    threads: lambda w: 16 if baseline_entry(w)["method"] in PARALLEL_BASELINES else 1
    resources:
        mem_mb=config["baselines"]["max_mb"] + 500,
        runtime=config["baselines"]["max_seconds"] // 60 + 10,
    params:
        method=lambda w: baseline_entry(w)["method"],
        labels=lambda w: fingerprints(w.dataset, baseline_labels(w)),
        settings=lambda w: baseline_settings(baseline_entry(w)),
        budget=settings("baselines"),
        dim=lambda w: dim_of(w.dataset, baseline_entry(w)["model"]),
        source=source_hash("baseline.py", lambda w: baseline_module(baseline_entry(w))),
    message:
        "{wildcards.dataset}: baseline {wildcards.baseline}"
    script:
        "../scripts/baseline.py"


rule evaluate_baseline:
    """Metrics of a baseline's clusters (docs/definitions.md), or why there are none."""
    input:
        clusters=f"{BASELINE_DIR}/meta.txt",
        outcome=f"{BASELINE_DIR}/outcome.json",
        labels=lambda w: labels_of(w.dataset),
    output:
        f"{BASELINE_DIR}/evaluation.json",
    log:
        f"{BASELINE_DIR}/evaluation.log",
    benchmark:
        f"{BASELINE_DIR}/evaluation.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=memory(500, 20),
    params:
        labels=lambda w: fingerprints(w.dataset, labels_of(w.dataset)),
        source=source_hash("evaluate_baseline.py"),
    message:
        "{wildcards.dataset}: evaluate baseline {wildcards.baseline}"
    script:
        "../scripts/evaluate_baseline.py"
