"""Parameters of baselines that are chosen, not given: `eps: auto` and the like.

Reads features or a kNN graph of the labelled set and its labels; makes, in results/D/baselines/NAME/, parameters.json (what
was chosen) and parameters.csv (every setting that was tried).
"""

@functools.cache
def baselines_in_schema():
    return read_yaml(Path(workflow.basedir) / "config" / "schema.yaml")["$defs"]["baselines"]


def grid_of(entry):
    """The values to try for each of a baseline's parameters that are auto."""
    grids = parameter_grids(baselines_in_schema()[entry["method"]])
    return {key: values for key, values in grids.items() if entry.get(key) == "auto"}


def set_to_search_on(name):
    """The labelled set of a data set; its own, if it is one."""
    dataset = dataset_entry(name)
    return name if dataset["kind"] == "labeled" else dataset["labeled"]


def searched_entry(wildcards):
    entry = baseline_entry(wildcards)
    if not grid_of(entry):
        fail(
            f"no parameter of baseline {wildcards.baseline!r} of {wildcards.dataset!r} is auto, so there is none to choose"
        )
    return entry


def chosen_parameters(wildcards):
    """What `auto` stands for, as a list of none or one file."""
    return [f"{BASELINE_DIR}/parameters.json".format(**wildcards)] if grid_of(baseline_entry(wildcards)) else []


rule grid_search:
    """The parameters of a baseline that do best on a labelled set."""
    input:
        lambda w: f"results/{set_to_search_on(w.dataset)}/features/{searched_entry(w)['model']}.json",
        features=lambda w: baseline_features(set_to_search_on(w.dataset), baseline_entry(w)),
        neighbors=lambda w: baseline_neighbors(set_to_search_on(w.dataset), baseline_entry(w)),
        labels=lambda w: required_labels(set_to_search_on(w.dataset), f"choosing parameters of {w.baseline}"),
    output:
        choice=f"{BASELINE_DIR}/parameters.json",
        tried=f"{BASELINE_DIR}/parameters.csv",
    log:
        f"{BASELINE_DIR}/parameters.log",
    benchmark:
        f"{BASELINE_DIR}/parameters.benchmark.jsonl"
    threads: lambda w: 16 if baseline_entry(w)["method"] in PARALLEL_BASELINES else 1
    resources:
        mem_mb=config["baselines"]["max_mb"] + 500,
        runtime=config["baselines"]["max_seconds"] // 60 + 10,
    params:
        method=lambda w: baseline_entry(w)["method"],
        grid=lambda w: grid_of(baseline_entry(w)),
        labeled=lambda w: set_to_search_on(w.dataset),
        labels=lambda w: fingerprints(set_to_search_on(w.dataset), labels_of(set_to_search_on(w.dataset))),
        objective=config["threshold_choice"]["objective"],
        settings=lambda w: baseline_settings(baseline_entry(w)),
        budget=settings("baselines"),
        dim=lambda w: dim_of(set_to_search_on(w.dataset), baseline_entry(w)["model"]),
        source=source_hash("grid_search.py", lambda w: baseline_module(baseline_entry(w))),
    message:
        "{wildcards.dataset}: choose parameters of baseline {wildcards.baseline}"
    script:
        "../scripts/grid_search.py"
