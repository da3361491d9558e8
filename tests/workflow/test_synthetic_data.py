"""Data sets that are made: from nothing to a table, once; of others no file is touched."""

import numpy as np
import pytest
import yaml

from tests.workflow.helpers import dry_run, edit_yaml, jobs, snakemake
from tests.workflow.test_bad_input import refusal

SYNTHETIC = {"samples": 600, "identities": 12, "dim": 32, "seed": 1, "models": {"a": 1, "b": 1.2}}
COMMITTEES = {"single": {"base": "a"}, "both": {"base": "a", "members": ["b"]}}
LABELED = {"kind": "labeled", "synthetic": SYNTHETIC | {"seed": 2}, "committees": COMMITTEES}
UNLABELED = {
    "synthetic": SYNTHETIC,
    "labeled": "other",
    "committees": COMMITTEES,
    "experiments": [
        {"strategy": "vote", "committee": "single", "threshold": "0.5"},
        {"strategy": "mediator", "committee": "both", "threshold": "0.5"},
        {"strategy": "ground_truth", "committee": "both"},
    ],
}
MADE = {"synthetic_labels": 1, "synthetic": 2}


@pytest.fixture
def made(code):
    for name, entry in (("tiny", UNLABELED), ("other", LABELED)):
        (code / f"config/datasets/{name}.yaml").write_text(yaml.safe_dump(entry))
    return code


def edit(folder, **values):
    edit_yaml(folder / "config/datasets/tiny.yaml", lambda entry: entry["synthetic"].update(values))


def stale(folder, target="results/tiny/table.md"):
    found = jobs(dry_run(folder, target)[1])
    return {rule: n for rule, n in found.items() if rule in ("synthetic", "synthetic_labels", "check_features", "knn")}


def test_from_nothing_to_a_table(made):
    snakemake(made, "results/tiny/table.md")
    assert "600 samples, 15 identities" in (made / "results/tiny/table.md").read_text()
    data = made / "data/unlabeled/tiny"
    assert len(np.loadtxt(data / "meta.txt", dtype=int)) == 600
    points = {name: np.load(data / f"features/{name}.npy") for name in "ab"}
    assert {(p.shape, str(p.dtype)) for p in points.values()} == {((600, 32), "float16")}

    assert jobs(dry_run(made, "results/tiny/table.md")[1]) == {}
    edit(made, models={"a": 1, "b": 1.3})
    assert stale(made) == {"synthetic": 1, "check_features": 1, "knn": 1}
    edit(made, models={"a": 1, "b": 1.2}, likeness=0.4)
    assert stale(made) == {"synthetic": 2, "check_features": 2, "knn": 2}
    edit(made, likeness=0.5, samples=500)
    assert stale(made) == MADE | {"check_features": 2, "knn": 2}
    snakemake(made, "results/tiny/table.md")
    assert "500 samples" in (made / "results/tiny/table.md").read_text()


def test_sweeps(made):
    snakemake(made, "sweeps", "--config", "tables=[tiny]")
    assert (made / "results/other/both/k15_mediator_111_sweep/sz600_step0.05/sweep.csv").exists()


def test_files_of_other_data_sets_are_no_business_of_the_rules(finished_copy):
    demo = finished_copy / "data/unlabeled/demo"
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in demo.rglob("*") if path.is_file()}
    for path in ("features/mobilenet.npy", "meta.txt"):
        snakemake(finished_copy, "--force", f"data/unlabeled/demo/{path}", check=False)
    assert "rule synthetic" not in dry_run(finished_copy, "--forceall", "tables")[1]
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in before} == before


def test_only_the_declared_folder(made):
    well, output = dry_run(made, "data/labeled/tiny/meta.txt")
    assert not well
    assert "MissingRuleException" in output


@pytest.mark.parametrize("file", ["features/a.npy", "meta.txt"])
@pytest.mark.parametrize("target", ["results/tiny/table.md", "itself"])
def test_files_of_the_user_are_never_replaced(file, target, made):
    path = made / "data/unlabeled/tiny" / file
    path.parent.mkdir(parents=True)
    path.write_text("the user's")
    sentence = refusal(made, "--forceall", f"data/unlabeled/tiny/{file}" if target == "itself" else target)
    assert f"{file} is there but was not made here; move it away" in sentence
    assert path.read_text() == "the user's"


def test_unknown_model_in_a_path(made):
    assert "no model 'c'" in refusal(made, "-n", "data/unlabeled/tiny/features/c.npy")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"samples": 0}, ["synthetic.samples", "is 0; it must be an integer, at least 1"]),
        ({"samples": 600.0}, ["synthetic.samples", "600.0", "integer"]),
        ({"identities": 598}, ["synthetic.identities is 598", "at most 597"]),
        ({"outliers": 1}, ["synthetic.outliers", "is 1; it must be a number, at least 0 and below 1"]),
        ({"outliers": float("nan")}, ["synthetic.outliers is nan", "number"]),
        ({"likeness": -0.1}, ["synthetic.likeness", "is -0.1; it must be a number, at least 0"]),
        ({"family": 0}, ["synthetic.family", "is 0; it must be an integer, at least 1"]),
        ({"dim": 1}, ["synthetic.dim", "is 1; it must be an integer, at least 2"]),
        ({"seed": -1}, ["synthetic.seed", "is -1; it must be an integer, at least 0"]),
        ({"models": ["a", "b"]}, ["synthetic.models is ['a', 'b']", "the error of each model"]),
        ({"models": {}}, ["synthetic.models is {}", "the error of each model"]),
        ({"models": {"a": "bad", "b": 1}}, ["synthetic.models.a", "'bad'", "number"]),
        ({"models": {"a": float("nan"), "b": 1}}, ["synthetic.models.a is nan", "number"]),
        ({"models": {"a": -1, "b": 1}}, ["models.a is -1; it must be a number, at least 0 and at most 100"]),
        ({"models": {"a": 1}}, ["committees.both.members[0] is 'b'", "declared: a"]),
        ({"model": {}}, ["'model'", "did you mean 'models'"]),
    ],
)
def test_bad_values(values, words, made):
    edit(made, **values)
    sentence = refusal(made, "-n")
    assert all(word in sentence for word in words), sentence


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"models": ["a", "b", "c"]}, ["datasets.tiny.models is 'c'", "error in datasets.tiny.synthetic.models"]),
        ({"dim": 32}, ["datasets.tiny.dim is 32", "synthetic; remove it"]),
        ({"source": "emore"}, ["datasets.tiny.source is 'emore'", "synthetic; remove it"]),
        ({"synthetic": 5}, ["datasets.tiny.synthetic is 5; it must be lines `key: value`"]),
        ({"synthetic": {"samples": 5}}, ["datasets.tiny.synthetic", "is missing; give it a value"]),
    ],
)
def test_values_that_do_not_go_with_it(values, words, made):
    edit_yaml(made / "config/datasets/tiny.yaml", lambda entry: entry.update(values))
    sentence = refusal(made, "-n")
    assert all(word in sentence for word in words), sentence


def test_models_are_needed_of_a_data_set_that_is_not_made(made):
    edit_yaml(made / "config/datasets/tiny.yaml", lambda entry: entry.pop("synthetic"))
    assert "datasets.tiny.models is None; name the models" in refusal(made, "-n")
