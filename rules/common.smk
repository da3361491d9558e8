"""Helpers that rules share: paths, look-ups in the config, hashes of the code that a stage runs."""

import ast
import functools
import hashlib
import json
import sys
import time


wildcard_constraints:
    dataset="[A-Za-z0-9][A-Za-z0-9_.-]*",
    model="[A-Za-z0-9][A-Za-z0-9_.-]*",
    committee="[A-Za-z0-9][A-Za-z0-9_.-]*",
    k=r"\d+",
    accept=r"\d+",
    round=r"\d+",
    shard=r"\d+",
    shards=r"\d+",
    inputs="(?!000)[01]{3}",
    scoring=r"vote_accept(\d+|auto)|mediator_(?!000)[01]{3}|ground_truth",
    threshold=r"-?\d+(\.\d+)?|auto",
    max_size=r"\d+",
    step=r"\d+(\.\d+)?",
    baseline="[A-Za-z0-9][A-Za-z0-9_.-]*",


PAIR_DIR = "results/{dataset}/{committee}/k{k}"
CLUSTER_DIR = "results/{dataset}/{committee}/k{k}_{scoring}_th{threshold}/sz{max_size}_step{step}"
AUTO_DIR = CLUSTER_DIR.replace("{threshold}", "auto")
SWEEP_DIR = "results/{dataset}/{committee}/k{k}_{scoring}_sweep/sz{max_size}_step{step}"


def dataset_entry(name):
    if name not in config["datasets"]:
        fail(
            f"data set {name!r} is not declared; declare it in config/datasets/{name}.yaml, or choose one of: "
            f"{', '.join(sorted(config['datasets']))}"
        )
    return config["datasets"][name]


def committee_models(wildcards):
    """Base model first, then the members."""
    committees = dataset_entry(wildcards.dataset)["committees"]
    if wildcards.committee not in committees:
        fail(
            f"data set {wildcards.dataset!r} has no committee {wildcards.committee!r}; it has: {', '.join(committees)}"
        )
    if int(wildcards.k) < 2:
        fail(f"k must be at least 2 (it counts the sample itself), not {wildcards.k}")
    committee = committees[wildcards.committee]
    return [committee["base"], *committee["members"]]


def pairs_to_vote_on(wildcards):
    members = len(committee_models(wildcards)) - 1
    if int(wildcards.accept) > members:
        fail(f"accept is {wildcards.accept}, but committee {wildcards.committee!r} has only {members} members")
    return PAIR_DIR.format(**wildcards) + "/pairs.npz"


def data_folder(name):
    return f"data/{dataset_entry(name)['kind']}/{name}"


def feature_file(name, model):
    """M.npy or M.bin, whichever the user has (a synthetic set is made as M.npy); a missing one ends the run with what to do."""
    if model not in dataset_entry(name)["models"]:
        fail(f"data set {name!r} has no model {model!r}; it has: {', '.join(dataset_entry(name)['models'])}")
    stem = f"{data_folder(name)}/features/{model}"
    if "synthetic" in dataset_entry(name):
        return made_file(f"{stem}.npy")
    present = [path for path in (f"{stem}.npy", f"{stem}.bin") if os.path.exists(path)]
    if len(present) == 2:
        fail(f"both {present[0]} and {present[1]} exist; remove the one that is not meant")
    if not present:
        if dataset_entry(name).get("source") == "emore":
            remedy = (
                "it is part of the published archive; `snakemake --cores 1 fetch_emore` downloads and unpacks it "
                "(or unpack data.tar.gz yourself in this folder)"
            )
        else:
            remedy = (
                f"put the features of model {model!r} there, a row a sample (numpy.save; or {model}.bin, raw float32), "
                f"or remove the model from config/datasets/{name}.yaml"
            )
        fail(f"{stem}.npy is missing (so is {model}.bin): {remedy}")
    return present[0]


def dim_of(name, model):
    """Columns of a model's features as the config says, for all models or for each; None where it does not."""
    dim = dataset_entry(name).get("dim")
    return dim.get(model) if isinstance(dim, dict) else dim


def reference_of(name):
    """The features with which those of the other models must agree in number, and their columns.

    Those of a synthetic set agree as they are made, and need not be there yet.
    """
    if "synthetic" in dataset_entry(name):
        return {"dim": None, "path": None}
    model = dataset_entry(name)["models"][0]
    return {"dim": dim_of(name, model), "path": feature_file(name, model)}


def labels_of(name):
    """meta.txt as a list of none or one file."""
    path = f"{data_folder(name)}/meta.txt"
    if "synthetic" in dataset_entry(name):
        return [made_file(path)]
    return [path] if os.path.exists(path) else []


def list_of(name):
    """list.txt as a list of none or one file."""
    path = f"{data_folder(name)}/list.txt"
    return [path] if os.path.exists(path) else []


def required_labels(name, purpose):
    if not labels_of(name):
        fail(
            f"{data_folder(name)}/meta.txt is missing, but {purpose} needs the labels of {name}; write one integer a sample"
        )
    return labels_of(name)


def synthetic_names():
    """A wildcard's constraint: the data sets that are made, each in its own folder. Of others the files are the user's."""
    made = ((entry["kind"], name) for name, entry in config["datasets"].items() if "synthetic" in entry)
    return "|".join(f"(?<=/{kind}/){re.escape(name)}" for kind, name in made) or "(?!)"


def made_file(path):
    """A file of a synthetic data set, whether or not it is there yet; one without its job's log is the user's."""
    if os.path.exists(path) and not os.path.exists(Path(path).with_suffix(".log")):
        fail(f"{path} is there but was not made here; move it away, or remove `synthetic` from its data set to use it")
    return path


def synthetic_identities(wildcards):
    """The part of a synthetic data set's settings that its labels depend on."""
    labels_of(wildcards.dataset)
    return settings("datasets", wildcards.dataset, "synthetic", without=["dim", "family", "likeness", "models"])


def synthetic_model(wildcards):
    """The part of a synthetic data set's settings that one model's features depend on."""
    feature_file(wildcards.dataset, wildcards.model)
    part = settings("datasets", wildcards.dataset, "synthetic", without=["samples", "outliers", "models"])
    return part | {"error": dataset_entry(wildcards.dataset)["synthetic"]["models"][wildcards.model]}


def committee_knn(wildcards):
    return [f"results/{wildcards.dataset}/knn/{model}_k{wildcards.k}.npz" for model in committee_models(wildcards)]


def labeled_set_of(name, committee, purpose):
    """The labelled set of a data set (its own, if it is one), which must have the same committee."""
    dataset = dataset_entry(name)
    labeled = name if dataset["kind"] == "labeled" else dataset.get("labeled")
    if labeled is None:
        fail(f"{purpose} needs a labelled set; give data set {name!r} a `labeled:` entry")
    if dataset_entry(labeled)["committees"].get(committee) != dataset["committees"].get(committee):
        fail(
            f"{purpose} uses {labeled}, whose committee {committee!r} must have the same base and members "
            f"as that of {name}; correct one in config/datasets/"
        )
    return labeled


def chosen_threshold(wildcards):
    """The choice that `auto` stands for, as a list of none or one file."""
    return [AUTO_DIR.format(**wildcards) + "/threshold.json"] if wildcards["threshold"] == "auto" else []


def scores_of_experiment(wildcards):
    """Those of its scoring, which all experiments share, unless the number of votes was chosen for this one."""
    if wildcards["scoring"] != "vote_acceptauto":
        return (PAIR_DIR + "/scores_{scoring}.npy").format(**wildcards)
    if wildcards["threshold"] != "auto":
        fail(f"accept auto is chosen together with the threshold; write threshold: auto, not {wildcards['threshold']}")
    return AUTO_DIR.format(**wildcards) + "/scores.npy"


def mediator_file(wildcards):
    labeled = labeled_set_of(wildcards.dataset, wildcards.committee, f"a mediator for {wildcards.dataset}")
    return f"results/{labeled}/{wildcards.committee}/k{wildcards.k}/mediator_{wildcards.inputs}.pt"


def scoring_of(experiment):
    return {
        "vote": f"vote_accept{experiment.get('accept', 0)}",
        "mediator": f"mediator_{experiment.get('inputs', '111')}",
        "ground_truth": "ground_truth",
    }[experiment["strategy"]]


def experiment_wildcards(name, experiment):
    """The wildcards of an experiment's files; what it leaves out comes from the data set, then from the top."""
    dataset = config["datasets"][name]
    defaults = config["knn"] | config["propagation"] | dataset | experiment
    return {
        "dataset": name,
        "committee": experiment["committee"],
        "k": defaults["k"],
        "scoring": scoring_of(experiment),
        "threshold": experiment.get("threshold", "0"),
        "max_size": defaults["max_size"],
        "step": defaults["step"],
    }


def settings(*path, without=()):
    """A part of the config as a rule's param: a plain dict with sorted keys, whatever the wildcards."""
    part = functools.reduce(lambda value, key: value[key], path, config)
    return {key: part[key] for key in sorted(part) if key not in without}


def gpus(device):
    """How many GPUs a job asks for. Under `device: auto` it takes what it finds; a profile may ask for it (docs/hpc.md)."""
    return int(device == "cuda")


def memory(mb, of_input=0, *, device="cpu"):
    """Memory of a job in MB, so much and so much an input MB; a job that is tried again gets that much more each time."""
    mb += 1500 * gpus(device)  # for CUDA's libraries
    return lambda w, input, attempt: attempt * (mb + int(of_input * input.size_mb))


def idle_backends():
    """The kNN backends whose settings are of no account under the chosen one."""
    chosen = config["knn"]["backend"]
    return {"cells", "faiss", "nmslib"} - {"cells" if chosen == "auto" else chosen}


@functools.cache
def code_without_comments(path):
    """A module's syntax tree without docstrings, and the cdp modules that it imports."""
    tree = ast.parse(Path(path).read_text(encoding="utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            imported |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            body[0].value.value = ""
    return ast.unparse(tree), imported


def module_files(names):
    """The files of those names that are modules of cdp."""
    for name in names:
        stem = Path(workflow.basedir, *name.split("."))
        if name.startswith("cdp."):
            yield from (path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.exists())


@functools.cache
def source_files(script, *modules):
    """scripts/`script`, the modules and every cdp module they import, directly or not."""
    todo, seen = [Path(workflow.basedir, "scripts", script), *module_files(modules)], set()
    while todo:
        path = todo.pop()
        if path not in seen:
            seen.add(path)
            todo += module_files(code_without_comments(path)[1])
    return sorted(seen)


@functools.cache
def hash_of_source(script, *modules):
    """A hash of `source_files`, blind to comments."""
    digest = hashlib.sha256()
    for path in source_files(script, *modules):
        digest.update(code_without_comments(path)[0].encode())
    return digest.hexdigest()[:16]


def source_hash(script, module=None):
    """`hash_of_source` as a rule's param, found when a job needs it; `module` tells from wildcards what else counts."""
    return lambda w: hash_of_source(script, *([module(w)] if module else []))


@functools.cache
def fingerprint(path):
    """A hash of a user's file, of a large one in samples, so that one replaced by another of an older date is seen.

    What is made of a file from the future would seem older than it.
    """
    block = 2**16
    try:
        size, modified = os.path.getsize(path), os.path.getmtime(path)
        digest = hashlib.sha256(str(size).encode())
        with open(path, "rb") as file:
            for start in range(0, size, max(block, size // 16)):
                file.seek(start)
                digest.update(file.read(block))
    except OSError as error:
        fail(f"{path} cannot be read ({error.strerror}); see to it and run again")
    if modified > time.time() + 60:
        date = time.strftime("%Y-%m-%d %H:%M", time.localtime(modified))
        fail(f"{path} is dated {date}, which is in the future; set the clock right, or touch the file, and run again")
    return digest.hexdigest()[:16]


def fingerprints(name, paths):
    """Those of a data set's files that users bring; none of those that are made, which are always newer."""
    return [] if "synthetic" in dataset_entry(name) else [fingerprint(path) for path in paths]


def cluster_file(name, experiment, file):
    return f"{CLUSTER_DIR}/{file}".format(**experiment_wildcards(name, experiment))


def labeled_sweeps():
    """Sweeps on labelled sets for the scorings in the experiments of `tables`, with those experiments' settings."""
    sweeps = []
    for name in config["tables"]:
        for experiment in config["datasets"][name]["experiments"]:
            if experiment["strategy"] != "ground_truth" and experiment["threshold"] != "auto":
                labeled = labeled_set_of(name, experiment["committee"], f"a sweep for {name}")
                wildcards = experiment_wildcards(name, experiment) | {"dataset": labeled}
                sweeps.append(f"{SWEEP_DIR}/sweep.csv".format(**wildcards))
    if not sweeps:
        fail(
            f"nothing to sweep: no experiment of tables ({', '.join(config['tables']) or 'none'}) has a threshold of its "
            "own; write one for a vote or a mediator (what auto tries is in threshold.csv, beside meta.txt)"
        )
    return sweeps


def table_files(name):
    """The table of a data set, what it rests on and, where they are asked for, the label weights of its experiments."""
    yield f"results/{name}/table.md"
    yield f"results/{name}/provenance.json"
    if config["soft_propagation"]["enabled"]:
        for experiment in dataset_entry(name)["experiments"]:
            yield cluster_file(name, experiment, "soft_labels.npz")


def benchmark_of(path):
    return f"{Path(path).with_suffix('')}.benchmark.jsonl"


def benchmarks_of_jobs(path):
    """Benchmark files of the jobs that make a file: of its shards', if it is made in shards, and of its own."""
    shards = files_of_shards(path) if config["knn"]["shards"] > 1 else []
    return [benchmark_of(made) for made in (*shards, path)]


def table_rows(name):
    """What the table needs to know of each experiment: its setting, its files, the times that count for it."""
    dataset = dataset_entry(name)
    if not dataset["experiments"]:
        fail(f"data set {name!r} has no experiments; add some to config/datasets/{name}.yaml")
    rows = []
    for experiment in dataset["experiments"]:
        wildcards = experiment_wildcards(name, experiment)
        folder = PAIR_DIR.format(**wildcards)
        committee = dataset["committees"][experiment["committee"]]
        models = [committee["base"], *committee["members"]]
        strategy = experiment["strategy"]
        scores = [] if strategy == "ground_truth" else [scores_of_experiment(wildcards)]
        affinity = [f"{folder}/affinity.npy"] if strategy == "mediator" else []
        clusters = cluster_file(name, experiment, "meta.txt")
        choice = cluster_file(name, experiment, "threshold.json") if wildcards["threshold"] == "auto" else None
        rows.append(
            {
                "choice": choice,
                "max_size": wildcards["max_size"],
                "step": str(wildcards["step"]),
                "evaluation": cluster_file(name, experiment, "evaluation.json"),
                "knn_benchmarks": [
                    benchmark
                    for model in models
                    for benchmark in benchmarks_of_jobs(f"results/{name}/knn/{model}_k{wildcards['k']}.npz")
                ],
                "knn_recalls": [f"results/{name}/knn/{model}_k{wildcards['k']}.json" for model in models],
                "cluster_benchmarks": [
                    benchmark
                    for path in (f"{folder}/pairs.npz", *affinity, *scores, clusters)
                    for benchmark in benchmarks_of_jobs(path)
                ],
                "models": len(models),
                "published": experiment.get("published"),
                "setting": setting_text(wildcards, experiment),
                "strategy": strategy,
            }
        )
    return rows


def setting_text(wildcards, experiment):
    """Such as `k15 accept4 th0.605`; max_size and step where the experiment sets its own."""
    parts = [f"k{wildcards['k']}"]
    if experiment["strategy"] == "vote":
        parts.append(f"accept{experiment.get('accept', 0)}")
    if experiment["strategy"] == "mediator":
        parts.append(experiment.get("inputs", "111"))
    if "threshold" in experiment:
        parts.append(f"th{experiment['threshold']}")
    parts += [f"{short}{experiment[key]}" for key, short in (("max_size", "sz"), ("step", "step")) if key in experiment]
    return " ".join(parts)
