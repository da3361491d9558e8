"""Where a table comes from.

Reads the check of each feature file that the table rests on, the labels and the jobs' benchmark files; makes
results/D/provenance.json.
"""

STRATEGY_SCRIPTS = {
    "vote": ["vote.py"],
    "mediator": ["affinity.py", "train_mediator.py", "score_pairs.py"],
    "ground_truth": ["ground_truth.py"],
}


def experiments_with_mediators(name):
    return [experiment for experiment in dataset_entry(name)["experiments"] if experiment["strategy"] == "mediator"]


def mediators_of(name):
    """The mediators that a table rests on, each with the wildcards of its files."""
    for experiment in experiments_with_mediators(name):
        wildcards = experiment_wildcards(name, experiment)
        labeled = labeled_set_of(name, experiment["committee"], f"a mediator for {name}")
        inputs = experiment.get("inputs", "111")
        yield wildcards | {"dataset": labeled, "inputs": inputs}


def labeled_sets_to_choose_on(name):
    """(labelled set, committee) of each experiment whose threshold is chosen there."""
    entry = dataset_entry(name)
    for experiment in entry["experiments"]:
        if experiment.get("threshold") == "auto" and (entry["kind"] == "labeled" or "labeled" in entry):
            committee = experiment["committee"]
            yield labeled_set_of(name, committee, f"choosing a threshold for {name}"), committee


def searched_baselines(name):
    """Those with parameters that are chosen on a labelled set."""
    return [entry for entry in dataset_entry(name)["baselines"].values() if "auto" in entry.values()]


def models_of(name):
    """(data set, model) of all features that a table rests on, those of the labelled set included."""
    dataset = dataset_entry(name)
    committees = [(name, experiment["committee"]) for experiment in dataset["experiments"]]
    committees += [(wildcards["dataset"], wildcards["committee"]) for wildcards in mediators_of(name)]
    committees += labeled_sets_to_choose_on(name)
    models = {(name, entry["model"]) for entry in dataset["baselines"].values()}
    models |= {(set_to_search_on(name), entry["model"]) for entry in searched_baselines(name)}
    for owner, committee in committees:
        entry = dataset_entry(owner)["committees"][committee]
        models |= {(owner, model) for model in (entry["base"], *entry["members"])}
    return sorted(models)


def benchmarks_of(name):
    """Of all jobs that a table rests on."""
    paths = set()
    for row in table_rows(name) + baseline_rows(name):
        paths |= {*row["knn_benchmarks"], *row["cluster_benchmarks"]}
        paths |= {benchmark_of(row["choice"])} if row.get("choice") else set()
    for wildcards in mediators_of(name):
        folder = PAIR_DIR.format(**wildcards)
        made = [f"{folder}/{file}" for file in ("pairs.npz", "affinity.npy", f"mediator_{wildcards['inputs']}.pt")]
        entry = dataset_entry(wildcards["dataset"])["committees"][wildcards["committee"]]
        models = (entry["base"], *entry["members"])
        made += [f"results/{wildcards['dataset']}/knn/{model}_k{wildcards['k']}.npz" for model in models]
        paths |= {benchmark for path in made for benchmark in benchmarks_of_jobs(path)}
    return sorted(paths)


def config_of(name):
    """The part of the config that a table rests on."""
    owners = {name, *(wildcards["dataset"] for wildcards in mediators_of(name))}
    owners |= {labeled for labeled, _ in labeled_sets_to_choose_on(name)}
    owners |= {set_to_search_on(name) for _ in searched_baselines(name)}
    part = {
        "datasets": {owner: dataset_entry(owner) for owner in owners},
        "knn": settings("knn", without=idle_backends()),
        "propagation": config["propagation"],
    }
    if any(row["choice"] for row in table_rows(name)):
        part["threshold_choice"] = config["threshold_choice"]
    if experiments_with_mediators(name):
        part["mediator"] = config["mediator"]
    if dataset_entry(name)["baselines"]:
        part["baselines"] = config["baselines"]
    return json.loads(json.dumps(part, sort_keys=True))


def packages_of(name):
    """What the code of the jobs that a table rests on imports, but for Python's own and the idle kNN backends."""
    jobs = [("check_features.py",), ("knn.py",), ("pairs.py",), ("propagate.py",), ("evaluate.py",)]
    jobs += [
        (s,) for experiment in dataset_entry(name)["experiments"] for s in STRATEGY_SCRIPTS[experiment["strategy"]]
    ]
    jobs += [("baseline.py", baseline_module(entry)) for entry in dataset_entry(name)["baselines"].values()]
    idle = set(module_files(f"cdp.knn.{backend}" for backend in idle_backends()))
    files = {path for job in jobs for path in source_files(*job)} - idle
    imported = {module.split(".")[0] for path in files for module in code_without_comments(path)[1]}
    return sorted(imported - sys.stdlib_module_names - {"cdp", "scripts"})


rule provenance:
    """Versions, code, config, hashes of the inputs and threads of the jobs behind a table."""
    input:
        evaluations=lambda w: evaluations(table_rows(w.dataset) + baseline_rows(w.dataset)),
        features=lambda w: [f"results/{owner}/features/{model}.json" for owner, model in models_of(w.dataset)],
        labels=lambda w: sorted({path for owner, _ in models_of(w.dataset) for path in labels_of(owner)}),
    output:
        "results/{dataset}/provenance.json",
    log:
        "results/{dataset}/provenance.log",
    benchmark:
        "results/{dataset}/provenance.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=memory(500),
    params:
        benchmarks=lambda w: benchmarks_of(w.dataset),
        config=lambda w: config_of(w.dataset),
        features=lambda w: [feature_file(owner, model) for owner, model in models_of(w.dataset)],
        packages=lambda w: packages_of(w.dataset),
        source=source_hash("provenance.py"),
    message:
        "{wildcards.dataset}: what the table rests on"
    script:
        "../scripts/provenance.py"
