"""The configuration: read from config/, merged with what the user adds, validated.

A data set `NAME` is declared in config/datasets/NAME.yaml, or under `datasets: NAME:` in a file
given with --configfile or on the command line with --config, which win over the former.
"""

import copy
import difflib
import functools
import hashlib
import json
import math
import re
from pathlib import Path

import jsonschema
import yaml
from snakemake.utils import update_config

RESERVED_NAMES = {
    "features",
    "knn",
    "baselines",
    "figures",
    "report",
    *(f"{stem}.{end}" for stem in ("table", "cdp") for end in ("md", "csv", "log", "benchmark.jsonl")),
    *(f"provenance.{end}" for end in ("json", "log", "benchmark.jsonl")),
}  # folders beside the committees' in results/DATASET/

SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the compiled one is ten times as fast
MAX_DEPTH, MAX_VALUES = 50, 100_000  # of a YAML file
TOO_LARGE = 2**31  # for an integer
TYPES = {
    "integer": "an integer",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "array": "a list",
    "object": "lines `key: value`",
    "null": "null",
}
BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}
BASELINE_INPUTS = {
    "approx_rank_order": {"neighbors"},
    "chinese_whispers": {"neighbors"},
    "dbscan": {"features"},
    "fast_hac": {"features"},
    "hac": {"features", "neighbors"},
    "hdbscan": {"features"},
    "infomap": {"neighbors"},
    "kmeans": {"features"},
    "knn_dbscan": {"neighbors"},
    "leiden": {"neighbors"},
    "minibatch_kmeans": {"features"},
    "spectral": {"neighbors"},
}
PARALLEL_BASELINES = {"dbscan", "fast_hac", "hdbscan", "kmeans", "minibatch_kmeans", "spectral"}


def fail(sentence):
    """End the run with one sentence. (Of other exceptions Snakemake prints a traceback.)"""
    raise SystemExit(f"error: {sentence}")


def read_yaml(path):
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        fail(f"{path} cannot be read ({error.strerror}); see to it and run again")
    except UnicodeDecodeError as error:
        fail(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8")
    try:
        check_depth(text)
        content = yaml.load(text, SAFE_LOADER) or {}
        check_size(content)
    except Exception as error:  # PyYAML lets Python's own through: ValueError, AttributeError, ...
        fail(f"{path} is not valid YAML ({' '.join(str(error).split())[:300]}); correct it")
    if not isinstance(content, dict):
        fail(f"{path} holds {type(content).__name__} where `key: value` lines are expected; correct it")
    return content


def check_depth(text):
    """Refuse what would overflow the stack of the compiled loader."""
    depth = 0
    for event in yaml.parse(text, SAFE_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} levels")


def check_size(content):
    """Refuse aliases that multiply, or that hold themselves."""
    todo = [content]
    for _ in range(MAX_VALUES):
        if not todo:
            return
        value = todo.pop()
        todo += [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    raise ValueError(f"more than {MAX_VALUES} values")


def check_writable(folder):
    if os.path.isdir(folder) and not os.access(folder, os.W_OK):
        fail(f"{folder} is not writable; make it so, or run in another folder with --directory")


def mend_after_power_loss():
    """Of what others write, the latest is empty or cut off then: Snakemake's records, numba's compiled code.

    What has no whole record of how it was made is made anew, else no edit would be seen; numba fails on files without
    content. A cluster's jobs leave this to the run that sent them, which may be writing records.
    """
    if not workflow.is_main_process:
        return
    records = Path(".snakemake/metadata")
    for record in records.rglob("*"):
        if record.is_file() and not record.read_bytes().endswith(b"}"):
            mark = Path(".snakemake/incomplete", record.relative_to(records))
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()
    for compiled in Path(workflow.basedir, "cdp").rglob("__pycache__/*.nb[ci]"):
        if compiled.exists() and compiled.stat().st_size == 0:
            compiled.unlink(missing_ok=True)


def declared_datasets():
    folder = Path(workflow.basedir) / "config" / "datasets"
    return {path.stem: read_yaml(path) for path in sorted(folder.glob("*.yaml"))}


def config_of_run(config):
    """The configuration, validated. A job that waited in a cluster's queue gets that of the run that sent it, not what
    the files say by then: its outputs are recorded as made with the former.
    """
    sent = os.environ.get("CDP_CONFIG", "")
    if workflow.remote_exec and os.path.exists(sent):
        return json.loads(Path(sent).read_text(encoding="utf-8"))
    config = validated_config(config)
    if workflow.is_main_process and workflow.nodes:  # a cluster's
        text = json.dumps(config)
        path = Path(".snakemake", "cdp", f"config_{hashlib.sha256(text.encode()).hexdigest()[:16]}.json").absolute()
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_suffix(".tmp").write_text(text, encoding="utf-8")
            path.with_suffix(".tmp").replace(path)
        os.environ["CDP_CONFIG"] = str(path)
    return config


def validated_config(config):
    """The whole configuration with all defaults filled in; one clear sentence for the first fault.

    `config` is what --configfile and --config give.
    """
    merged = {"datasets": declared_datasets()} | read_yaml(Path(workflow.basedir) / "config" / "config.yaml")
    update_config(merged, config)
    schema = read_yaml(Path(workflow.basedir) / "config" / "schema.yaml")
    validator = StrictValidator(schema)
    for error in list(validator.iter_errors(merged)):
        restore_type(merged, error)
    error = jsonschema.exceptions.best_match(validator.iter_errors(merged))
    if error:
        fail(schema_sentence(error))
    DefaultsValidator(schema).validate(merged)
    for name in merged["tables"]:
        require(name in merged["datasets"], "tables", name, unknown("data set", merged["datasets"]))
    backend, shards = merged["knn"]["backend"], merged["knn"]["shards"]
    able = backend in ("auto", "cells", "exact")
    require(shards == 1 or able, "knn.shards", shards, f"{backend} searches in one piece; set 1, or backend: cells")
    check_step("propagation.step", merged["propagation"]["step"])
    decay = merged["soft_propagation"]["decay"]
    require(0 < decay <= 1, "soft_propagation.decay", decay, "it must be above 0 and at most 1")
    if isinstance(thresholds := merged["sweep"]["thresholds"], list):
        for threshold in thresholds:
            check_decimal("sweep.thresholds", threshold, lambda value: -1 <= value < 1, "at least -1 and below 1")
    for name, dataset in merged["datasets"].items():
        check_dataset(name, dataset, merged, schema)
    return merged


def is_large(value):
    return isinstance(value, int) and abs(value) >= TOO_LARGE


StrictValidator = jsonschema.validators.extend(  # integers go into paths and compiled code: no 15.0, no 2**31
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
        "integer",
        lambda checker, value: isinstance(value, int) and not isinstance(value, bool) and not is_large(value),
    ),
)


def fill_in(validator, properties, instance, schema):
    """The keyword `properties`, which gives what is left out its default."""
    for key, value in properties.items():
        if "default" in value:
            instance.setdefault(key, copy.deepcopy(value["default"]))
    yield from StrictValidator.VALIDATORS["properties"](validator, properties, instance, schema)


DefaultsValidator = jsonschema.validators.extend(StrictValidator, {"properties": fill_in})


def restore_type(config, error):
    """Snakemake hands on nested values of --config as strings; where a number or a switch is due, make it one."""
    types = error.schema.get("type", ())
    due = error.validator == "type" or (error.validator == "pattern" and "integer" in types)
    if due and isinstance(error.instance, str):
        try:
            value = yaml.safe_load(error.instance)
        except yaml.YAMLError:
            return
        if not isinstance(value, str) and StrictValidator({"type": types}).is_valid(value):
            functools.reduce(lambda part, key: part[key], list(error.absolute_path)[:-1], config)[
                error.absolute_path[-1]
            ] = value


def step_text(key):
    """A key of any type as a part of a path to a value."""
    return f".{key}" if isinstance(key, str) and key.isprintable() else f"[{key!r}]"


def schema_sentence(error, at=""):
    key = (at + "".join(map(step_text, error.absolute_path))).removeprefix(".") or "the top level"
    if error.validator == "additionalProperties" and "properties" in error.schema:
        allowed = sorted(error.schema["properties"])
        wrong = sorted(set(error.instance) - set(allowed), key=str)[0]
        guess = difflib.get_close_matches(str(wrong), allowed, n=1)
        hint = f"did you mean {guess[0]!r}? " if guess else ""
        return f"config: unknown key {wrong!r} in {key}; {hint}allowed: {', '.join(allowed)}"
    if error.validator == "required" and "description" not in error.schema:
        return f"config: {key}: {error.message.replace(' is a required property', ' is missing')}; give it a value"
    if error.validator == "enum" and "description" not in error.schema:
        return f"config: {key} is {error.instance!r}; allowed: {', '.join(error.validator_value)}"
    if error.validator == "type" and "integer" in error.schema["type"] and is_large(error.instance):
        return f"config: {key} is {error.instance!r}; an integer must be between {1 - TOO_LARGE} and {TOO_LARGE - 1}"
    if "description" in error.schema:
        return f"config: {key} is {error.instance!r}; it must be {error.schema['description']}"
    if error.validator in ("type", *BOUNDS) and "type" in error.schema:
        return f"config: {key} is {error.instance!r}; it must be {asked_for(error.schema)}"
    return f"config: {key}: {error.message}"


def asked_for(schema):
    """What a schema of a single value asks for, in words."""
    types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    limits = " and ".join(f"{word} {schema[bound]}" for bound, word in BOUNDS.items() if bound in schema)
    return ", ".join(filter(None, [" or ".join(TYPES[kind] for kind in types), limits]))


def require(condition, key, value, remedy):
    if not condition:
        fail(f"config: {key} is {value!r}; {remedy}")


def unknown(what, known):
    return f"no such {what} is declared; declared: {', '.join(sorted(known)) or 'none'}"


def check_dataset(name, dataset, config, schema):
    """What a schema cannot say: references between keys, and ranges that depend on the strategy."""
    at = f"datasets.{name}"
    check_synthetic(at, dataset)
    labeled = dataset.get("labeled")
    if dataset["kind"] == "labeled":
        require(
            labeled in (None, name), f"{at}.labeled", labeled, "a labelled data set trains its own mediators; remove it"
        )
    elif labeled is not None:
        known = [other for other, entry in config["datasets"].items() if entry.get("kind") == "labeled"]
        require(labeled in known, f"{at}.labeled", labeled, unknown("labelled data set", known))
    for committee, entry in dataset["committees"].items():
        require(committee not in RESERVED_NAMES, f"{at}.committees", committee, "that name is reserved; choose another")
        places = {"base": entry["base"]} | {
            f"members[{number}]": model for number, model in enumerate(entry["members"])
        }
        for place, model in places.items():
            key = f"{at}.committees.{committee}.{place}"
            require(model in dataset["models"], key, model, unknown("model", dataset["models"]))
        require(
            entry["base"] not in entry["members"],
            f"{at}.committees.{committee}.members",
            entry["members"],
            "the base model cannot be a member of its own committee; remove it there",
        )
    if "step" in dataset:
        check_step(f"{at}.step", dataset["step"])
    for baseline in dataset["baselines"]:
        entry = dataset["baselines"][baseline] = dataset["baselines"][baseline] or {}
        check_baseline(f"{at}.baselines.{baseline}", baseline, entry, dataset, config, schema)
    for number, experiment in enumerate(dataset["experiments"]):
        check_experiment(f"{at}.experiments[{number}]", experiment, dataset)
        require(
            experiment not in dataset["experiments"][:number],
            f"{at}.experiments[{number}]",
            experiment,
            f"it repeats experiments[{dataset['experiments'].index(experiment)}]; remove one",
        )


def check_baseline(at, name, entry, dataset, config, schema):
    """Fill in the method, its model, k and its defaults; each method takes parameters of its own."""
    method, methods = entry.setdefault("method", name), schema["$defs"]["baselines"]
    require(str(method) in methods, f"{at}.method", method, f"allowed: {', '.join(sorted(methods))}")
    model = entry.setdefault("model", dataset["models"][0])
    require(model in dataset["models"], f"{at}.model", model, unknown("model", dataset["models"]))
    common = dict(schema["$defs"]["baseline"]["properties"])
    if "neighbors" in BASELINE_INPUTS[method]:
        entry.setdefault("k", (config["knn"] | dataset)["k"])
    else:
        del common["k"]
    grids = parameter_grids(methods[method])
    chosen = [key for key in grids if entry.get(key) == "auto"]
    entry |= {key: grids[key][0] for key in chosen}  # in their place while all else is checked
    own = {"type": "object", "additionalProperties": False, **methods[method], "$defs": schema["$defs"]}
    validator = StrictValidator(own | {"properties": common | methods[method]["properties"]})
    for error in list(validator.iter_errors(entry)):
        restore_type(entry, error)
    if error := jsonschema.exceptions.best_match(validator.iter_errors(entry)):
        fail(schema_sentence(error, at))
    for key, value in methods[method]["properties"].items():
        if "default" in value:
            entry.setdefault(key, value["default"])
        if isinstance(entry.get(key), float):
            require(math.isfinite(entry[key]), f"{at}.{key}", entry[key], "it must be a number")
    if method == "knn_dbscan":
        most = f"it must be at most k, the {entry['k']} neighbours that the graph has"
        require(entry["min_samples"] <= entry["k"], f"{at}.min_samples", entry["min_samples"], most)
    for key in chosen:
        entry[key] = "auto"
        check_chosen(f"{at}.{key}", entry["model"], dataset, config)


def parameter_grids(method):
    """The values that `auto` tries, by parameter, as a baseline's part of the schema has them."""
    return {key: value["grid"] for key, value in sorted(method["properties"].items()) if "grid" in value}


def check_chosen(at, model, dataset, config):
    """A parameter that is auto needs a labelled set that has the model."""
    owner = dataset if dataset["kind"] == "labeled" else config["datasets"].get(dataset.get("labeled"))
    require(owner, at, "auto", "it is chosen on a labelled set; add `labeled`, or give a value")
    models = owner.get("models", owner.get("synthetic", {}).get("models", ()))
    require(model in models, at, "auto", f"{dataset['labeled']} has no model {model!r} to choose it by; give a value")


def check_synthetic(at, dataset):
    """Fill in the models of a synthetic data set; what its entry makes must fit together."""
    synthetic = dataset.get("synthetic")
    if synthetic is None:
        require("models" in dataset, f"{at}.models", None, "name the models whose features you have")
        return
    for key in ("dim", "source"):
        require(key not in dataset, f"{at}.{key}", dataset.get(key), "the data are synthetic; remove it")
    errors = synthetic["models"]
    for model in dataset.setdefault("models", list(errors)):
        require(model in errors, f"{at}.models", model, f"give it an error in {at}.synthetic.models, or remove it")
    numbers = {key: synthetic[key] for key in ("outliers", "likeness")} | {f"models.{m}": e for m, e in errors.items()}
    for key, value in numbers.items():
        require(math.isfinite(value), f"{at}.synthetic.{key}", value, "it must be a number")
    most = synthetic["samples"] - round(synthetic["outliers"] * synthetic["samples"])
    require(
        synthetic["identities"] <= most,
        f"{at}.synthetic.identities",
        synthetic["identities"],
        f"it must be at most {most}, the number of samples without outliers",
    )


def check_decimal(key, value, fits, range_text):
    """Decimals become a part of paths as they are written, so 1e-05 will not do, nor a hundred digits."""
    require(
        re.fullmatch(r"-?[0-9]{1,9}([.][0-9]{1,18})?", str(value)),
        key,
        value,
        "write it as a quoted decimal such as '0.05'",
    )
    require(fits(float(value)), key, value, f"it must be {range_text}")


def check_step(key, step):
    check_decimal(key, step, lambda value: 0 < value <= 1, "above 0 and at most 1")


def check_experiment(at, experiment, dataset):
    strategy, committee = experiment["strategy"], experiment["committee"]
    require(
        committee in dataset["committees"], f"{at}.committee", committee, unknown("committee", dataset["committees"])
    )
    used = {"vote": {"threshold", "accept"}, "mediator": {"threshold", "inputs"}, "ground_truth": set()}[strategy]
    for key in {"threshold", "accept", "inputs"} - used:
        require(
            key not in experiment, f"{at}.{key}", experiment.get(key), f"strategy {strategy} does not use it; remove it"
        )
    if "threshold" in used:
        low = -1 if strategy == "vote" else 0
        threshold = experiment.get("threshold")
        require(threshold is not None, f"{at}.threshold", None, f"strategy {strategy} needs one between {low} and 1")
        if threshold != "auto":
            check_decimal(f"{at}.threshold", threshold, lambda value: low <= value < 1, f"at least {low} and below 1")
    if strategy == "vote":
        members = len(dataset["committees"][committee]["members"])
        accept = experiment.get("accept", 0)
        if accept == "auto":
            require(threshold == "auto", f"{at}.threshold", threshold, "accept auto is chosen with it; write auto")
            labeled = dataset["kind"] == "labeled" or "labeled" in dataset
            require(labeled, f"{at}.accept", accept, "it is chosen on a labelled set; add `labeled`, or give a number")
        else:
            require(accept <= members, f"{at}.accept", accept, f"committee {committee} has only {members} members")
    if "step" in experiment:
        check_step(f"{at}.step", experiment["step"])
