"""Parameters of baselines that are `auto`, in the real workflow."""

import csv
import json
import os

import numpy as np
import pytest
import yaml

from tests.workflow.helpers import dry_run, edit_yaml, jobs, snakemake
from tests.workflow.test_bad_input import refusal

CHOSEN = {
    "fast_hac": {"distance": "auto"},
    "knn_dbscan": {"eps": "auto", "min_samples": "auto", "k": 6},
}
TABLE = {"provenance": 1, "table": 1, "tables": 1}
ONE = {"grid_search": 1, "baseline": 1, "evaluate_baseline": 1} | TABLE
BOTH = {"grid_search": 2, "baseline": 2, "evaluate_baseline": 2} | TABLE


@pytest.fixture
def tiny(repository):
    """Two sets of 60 samples in 6 groups, so wide that few distances find them; one labelled."""
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(6), 10)
    common = {"models": ["a"], "committees": {"single": {"base": "a"}}}
    entries = {
        "tiny": {"labeled": "known", "experiments": [{"strategy": "vote", "committee": "single", "threshold": "0.5"}]},
        "known": {"kind": "labeled"},
    }
    for name, entry in entries.items():
        folder = repository / "data" / entry.get("kind", "unlabeled") / name
        (folder / "features").mkdir(parents=True)
        np.save(folder / "features/a.npy", np.eye(6, 8)[groups] + 0.16 * generator.normal(size=(60, 8)))
        (folder / "meta.txt").write_text("".join(f"{g}\n" for g in groups))
        (repository / f"config/datasets/{name}.yaml").write_text(yaml.safe_dump(common | entry))
    edit_yaml(repository / "config/datasets/tiny.yaml", lambda config: config.update(baselines=CHOSEN))
    edit_yaml(repository / "config/config.yaml", lambda config: config.update(tables=["tiny"]))
    return repository


def read_csv(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def stale(folder):
    planned, text = dry_run(folder)
    assert planned, text
    return jobs(text)


def chosen(folder, baseline):
    return json.loads((folder / f"results/tiny/baselines/{baseline}/parameters.json").read_text())


def middle_of_best(done):
    """Of the settings that do best, the first and those equal to it that follow at once: the one in the middle."""
    figures = [float(row["f"]) for row in done]
    first = last = figures.index(max(figures))
    while figures[last + 1 : last + 2] == [figures[first]]:
        last += 1
    return done[(first + last) // 2]


def one_distance_less(schema):
    """In a list of its own: other methods share it."""
    distance = schema["$defs"]["baselines"]["fast_hac"]["properties"]["distance"]
    distance["grid"] = distance["grid"][:-1]


def test_what_is_chosen_used_and_shown_and_what_makes_it_stale(tiny):
    snakemake(tiny)
    assert stale(tiny) == {}
    settings = {}
    for baseline, entry in CHOSEN.items():
        place = tiny / f"results/tiny/baselines/{baseline}"
        choice, tried = chosen(tiny, baseline), read_csv(place / "parameters.csv")
        assert set(choice["parameters"]) == {key for key, value in entry.items() if value == "auto"}
        done = [row for row in tried if row["outcome"] == "done"]
        assert all(
            int(row["min_samples"]) > entry["k"] for row in tried if row not in done
        )  # neighbours that the graph lacks
        best = middle_of_best(done)
        assert {key: float(best[key]) for key in choice["parameters"]} == choice["parameters"]
        assert (choice["f"], choice["labeled"], choice["tried"]) == (float(best["f"]), "known", len(done))
        assert len({row["f"] for row in done}) > 5
        settings[baseline] = entry | choice["parameters"]
    assert len(read_csv(tiny / "results/tiny/baselines/knn_dbscan/parameters.csv")) == 19 * 4
    rows = {row["strategy"]: row for row in read_csv(tiny / "results/tiny/table.csv")}
    assert rows["fast_hac"]["setting"] == f"distance {settings['fast_hac']['distance']} auto"
    assert "auto in a baseline: chosen on the labelled set" in (tiny / "results/tiny/table.md").read_text()

    general, schema = tiny / "config/config.yaml", tiny / "config/schema.yaml"
    text = general.read_text()
    edit_yaml(general, lambda entry: entry["threshold_choice"].update(objective="bcubed_f"))
    assert stale(tiny) == BOTH
    general.write_text(text)
    text = schema.read_text()
    edit_yaml(schema, one_distance_less)
    assert stale(tiny) == ONE
    schema.write_text(text)
    labels = tiny / "data/labeled/known/meta.txt"
    labels.write_text("".join(f"{sample // 20}\n" for sample in range(60)))
    os.utime(labels, (labels.stat().st_mtime - 86400,) * 2)
    assert stale(tiny) == BOTH

    named = {f"{baseline}_named": {"method": baseline} | entry for baseline, entry in settings.items()}
    edit_yaml(tiny / "config/datasets/tiny.yaml", lambda entry: entry["baselines"].update(named))
    before = {baseline: (tiny / f"results/tiny/baselines/{baseline}/meta.txt").read_bytes() for baseline in CHOSEN}
    f = chosen(tiny, "fast_hac")["f"]
    snakemake(tiny)
    for baseline, clusters in before.items():
        assert (tiny / f"results/tiny/baselines/{baseline}_named/meta.txt").read_bytes() == clusters
    assert chosen(tiny, "fast_hac")["f"] != f


def test_what_cannot_be_chosen_has_a_row_that_says_so(tiny):
    (tiny / "cdp/baselines/fast_hac.py").write_text(
        "def fast_hac(features, *, distance):\n    raise ValueError(f'no {distance}')\n"
    )
    edit_yaml(tiny / "config/config.yaml", lambda entry: entry["threshold_choice"].update(objective="recall>=1"))
    (tiny / "cdp/baselines/knn_dbscan.py").write_text(
        "import numpy as np\n\n\ndef knn_dbscan(neighbors, **settings):\n    return np.arange(len(neighbors.idx))\n"
    )
    snakemake(tiny)
    rows = {row["strategy"]: row for row in read_csv(tiny / "results/tiny/table.csv")}
    assert (
        rows["fast_hac"]["outcome"]
        == "no parameters chosen: none of 19 settings gave clusters; of the first: failed: no 0.3"
    )
    assert rows["knn_dbscan"]["outcome"].startswith("no parameters chosen: objective recall>=1 is out of reach")
    assert rows["fast_hac"]["setting"] == "distance auto"
    assert stale(tiny) == {}


@pytest.mark.parametrize(
    ("baselines", "words"),
    [
        ({"kmeans": {"n_clusters": "auto"}}, ["kmeans.n_clusters is 'auto'", "a whole number, or true"]),
        (
            {"chinese_whispers": {"threshold": 0.5, "iterations": "auto"}},
            ["chinese_whispers", "is 'auto'; it must be an integer, at least 1"],
        ),
        ({"fast_hac": {"distance": "automatic"}}, ["fast_hac", "is 'automatic'; it must be a number, at least 0"]),
        ({"dbscan": {"eps": "auto"}}, ["dbscan", "'min_samples' is missing"]),
        ({"fast_hac": {"distance": "auto", "model": "b"}}, ["fast_hac.distance is 'auto'", "known has no model 'b'"]),
    ],
)
def test_settings_that_make_no_sense(tiny, baselines, words):
    edit_yaml(tiny / "config/datasets/tiny.yaml", lambda entry: entry.update(baselines=baselines, models=["a", "b"]))
    sentence = refusal(tiny)
    assert all(word in sentence for word in words), sentence


def test_a_labelled_set_is_needed(tiny):
    edit_yaml(tiny / "config/datasets/tiny.yaml", lambda entry: entry.pop("labeled"))
    assert "fast_hac.distance is 'auto'; it is chosen on a labelled set; add `labeled`" in refusal(tiny)
    edit_yaml(tiny / "config/datasets/tiny.yaml", lambda entry: entry.update(labeled="known"))
    (tiny / "data/labeled/known/meta.txt").unlink()
    assert "data/labeled/known/meta.txt is missing, but choosing parameters of fast_hac" in refusal(tiny)


def test_nothing_to_choose(tiny):
    edit_yaml(tiny / "config/datasets/tiny.yaml", lambda entry: entry.update(baselines={"fast_hac": {"distance": 1}}))
    assert "no parameter of baseline 'fast_hac' of 'tiny' is auto" in refusal(
        tiny, "results/tiny/baselines/fast_hac/parameters.json"
    )
