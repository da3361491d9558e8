"""`threshold: auto` in the real workflow, on the demo."""

import csv
import json
import os
import re
import shutil

import pytest

from cdp.threshold_choice import TOLERANCE
from tests.workflow.helpers import dry_run, edit_yaml, jobs, snakemake

pytestmark = pytest.mark.xdist_group("threshold")  # made once

AUTO = [
    {"strategy": "vote", "committee": "single", "threshold": "auto"},
    {"strategy": "vote", "committee": "all", "accept": "auto", "threshold": "auto"},
    {"strategy": "mediator", "committee": "all", "inputs": "111", "threshold": "auto"},
]
FOLDERS = [
    f"{folder}_thauto/sz600_step0.05"
    for folder in ("single/k15_vote_accept0", "all/k15_vote_acceptauto", "all/k15_mediator_111")
]
PROPAGATED = {"propagate": 3, "evaluate": 3, "cdp": 1}
CHOSEN = {"choose_threshold": 3, "vote_auto": 1} | PROPAGATED
TARGET = "results/demo/cdp.md"


def meta_files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in (folder / "results").rglob("meta.txt")}


def set_choice(folder, **values):
    edit_yaml(folder / "config/config.yaml", lambda config: config["threshold_choice"].update(values))


@pytest.fixture(scope="module")
def with_auto(finished, tmp_path_factory):
    """The finished demo with three more experiments, and the jobs that they took."""
    folder = shutil.copytree(finished, tmp_path_factory.mktemp("threshold") / "copy")
    set_choice(folder, folds=3)
    edit_yaml(folder / "config/datasets/demo.yaml", lambda config: config["experiments"].extend(AUTO))
    planned, text = dry_run(folder, TARGET)
    assert planned, text
    snakemake(folder, TARGET)
    return folder, jobs(text)


def read_csv(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_just_what_is_new_was_computed(with_auto, finished):
    folder, computed = with_auto
    assert computed == CHOSEN | {"vote": 3 + 1, "cross_fit": 1}
    before, after = meta_files(finished), meta_files(folder)
    assert {path: after[path] for path in before} == before
    assert len(after) == len(before) + 3


def test_the_choice_is_near_the_best_of_its_curve(with_auto):
    for name in FOLDERS:
        place = with_auto[0] / "results/demo" / name
        choice, curve = json.loads((place / "threshold.json").read_text()), read_csv(place / "threshold.csv")
        assert len({float(row["threshold"]) for row in curve}) > 50
        best = max(curve, key=lambda row: float(row["f"] if row["f"] != "n/a" else 0))
        (row,) = [
            row for row in curve if (row["threshold"], row["accept"]) == (str(choice["threshold"]), best["accept"])
        ]
        assert choice["f"] == float(row["f"])
        if name != FOLDERS[2]:  # of a mediator, the median of what splits choose need not be near their mean's best
            assert choice["f"] >= float(best["f"]) - TOLERANCE
        assert (choice["labeled"], choice["objective"]) == ("demo_labeled", "pairwise_f")
        assert str(choice["accept"] if choice["accept"] is not None else "n/a") == best["accept"]
    tried = read_csv(with_auto[0] / "results/demo" / FOLDERS[1] / "threshold.csv")
    assert {row["accept"] for row in tried} == set("01234")


def test_clusters_are_those_of_the_same_threshold_written_out(with_auto):
    folder, _ = with_auto
    choices = [json.loads((folder / "results/demo" / name / "threshold.json").read_text()) for name in FOLDERS]
    named = [
        f"results/demo/{name.replace('acceptauto', 'accept{accept}').replace('thauto', 'th{threshold}')}".format(
            **choice
        )
        for name, choice in zip(FOLDERS, choices, strict=True)
    ]
    snakemake(folder, *(f"{name}/evaluation.json" for name in named))
    for auto, name in zip(FOLDERS, named, strict=True):
        for file in ("meta.txt", "evaluation.json"):
            assert (folder / "results/demo" / auto / file).read_bytes() == (folder / name / file).read_bytes()


def test_the_table_shows_what_was_chosen(with_auto):
    rows = read_csv(with_auto[0] / "results/demo/cdp.csv")
    assert [row["setting"] for row in rows[:2]] == ["k15 accept0 th0.7814", "k15 accept1 th0.7534"]
    settings = [row["setting"] for row in rows[5:]]
    assert re.fullmatch(r"k15 accept0 th0\.\d+ auto", settings[0])
    assert re.fullmatch(r"k15 accept\d auto th0\.\d+ auto", settings[1])
    assert re.fullmatch(r"k15 111 th0\.\d+ auto", settings[2])
    text = (with_auto[0] / TARGET).read_text()
    assert "auto: chosen on the labelled set" in text
    assert "no labels" not in text
    best = [float(row["kept_f"]) for row in rows]
    assert best[5] > best[0] - 0.01
    assert best[6] > best[1] - 0.01
    assert best[7] > best[3] - 0.02


def test_contact_sheets_say_what_was_chosen(with_auto):
    folder, _ = with_auto
    place = f"results/demo/{FOLDERS[1]}"
    snakemake(folder, f"{place}/contact_sheets/index.html")
    choice = json.loads((folder / place / "threshold.json").read_text())
    page = (folder / place / "contact_sheets/index.html").read_text()
    title = f"demo, all: vote_accept{choice['accept']} auto, k15, th{choice['threshold']} auto"
    assert f"<title>{title}</title>" in page


def stale(folder):
    planned, text = dry_run(folder, TARGET)
    assert planned, text
    return jobs(text)


def test_editing_the_choice_makes_it_and_what_follows_stale(with_auto):
    folder, _ = with_auto
    config = folder / "config/config.yaml"
    before = config.read_text()
    assert stale(folder) == {}
    for values, expected in [
        ({"objective": "bcubed_f"}, CHOSEN),
        ({"objective": "precision>=0.98"}, CHOSEN),
        (
            {"folds": 4},
            {"cross_fit": 1, "choose_threshold": 1, "propagate": 1, "evaluate": 1, "cdp": 1},
        ),
    ]:
        set_choice(folder, **values)
        assert stale(folder) == expected, values
        config.write_text(before)
    assert stale(folder) == {}


def test_labels_replaced_by_older_ones_make_the_choice_stale(with_auto):
    """Such as come out of an archive: their date alone would not tell."""
    folder, _ = with_auto
    path = folder / "data/labeled/demo_labeled/meta.txt"
    before, status = path.read_bytes(), path.stat()
    path.write_text("".join(f"{label}\n" for label in reversed(before.decode().split())))
    os.utime(path, (status.st_mtime - 86400,) * 2)
    found = stale(folder)
    assert {rule: found[rule] for rule in ("cross_fit", "choose_threshold")} == {"cross_fit": 1, "choose_threshold": 3}
    path.write_bytes(before)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert stale(folder) == {}


def test_without_a_labelled_set_the_most_stable_clusters_are_chosen(with_auto):
    folder, _ = with_auto
    path = folder / "config/datasets/demo.yaml"
    before = path.read_text()

    def unlabelled(config):
        del config["labeled"]
        config["experiments"] = AUTO[:1]

    edit_yaml(path, unlabelled)
    assert stale(folder) == {"choose_threshold": 1, "propagate": 1, "evaluate": 1, "cdp": 1}
    snakemake(folder, TARGET)
    choice = json.loads((folder / "results/demo" / FOLDERS[0] / "threshold.json").read_text())
    assert (choice["labeled"], choice["objective"]) == (None, "stability")
    (row,) = read_csv(folder / "results/demo/cdp.csv")
    assert row["setting"] == f"k15 accept0 th{choice['threshold']} auto, no labels"
    assert "no labels: chosen by the stability of the clusters alone" in (folder / TARGET).read_text()
    assert float(row["kept_f"]) > 0.84
    path.write_text(before)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("results/demo/all/k15_vote_acceptauto_th0.5/sz600_step0.05/meta.txt", ["accept auto", "threshold: auto"]),
        ("results/demo_labeled/all/k15_vote_accept9_thauto/sz600_step0.05/meta.txt", ["accept is 9", "4 members"]),
    ],
)
def test_choices_that_cannot_be_made(with_auto, target, words):
    planned, text = dry_run(with_auto[0], target)
    sentence = next(line for line in text.splitlines() if line.startswith("error: "))
    assert not planned
    assert all(word in sentence for word in words), sentence


@pytest.mark.parametrize(
    ("experiment", "words"),
    [
        (AUTO[1] | {"threshold": "0.5"}, ["experiments[0].threshold", "accept auto", "write auto"]),
        (AUTO[0] | {"threshold": "automatic"}, ["experiments[0].threshold", "'automatic'", "or auto"]),
        (AUTO[0] | {"accept": "some"}, ["experiments[0].accept", "'some'", "or auto"]),
        ({"strategy": "ground_truth", "committee": "all", "threshold": "auto"}, ["ground_truth does not use it"]),
    ],
)
def test_settings_that_make_no_sense(with_auto, experiment, words):
    path = with_auto[0] / "config/datasets/demo.yaml"
    before = path.read_text()
    edit_yaml(path, lambda config: config.update(experiments=[experiment]))
    planned, text = dry_run(with_auto[0], TARGET)
    path.write_text(before)
    sentence = next(line for line in text.splitlines() if line.startswith("error: "))
    assert not planned
    assert all(word in sentence for word in words), sentence
