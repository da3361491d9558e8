"""Every value of the demo's config and every module of cdp: what an edit makes stale, against a written expectation.

The finished run holds tables, sweeps and label weights of the demo; an expectation counts the jobs that a
dry run would do, by rule. A value or a module without an expectation fails the test of completeness.
"""

import functools
import shutil

import pytest
import yaml

from tests.workflow.helpers import ROOT, dry_run, edit_yaml, jobs, snakemake

TABLE = {"provenance": 1, "table": 1, "tables": 1}


def baselines(number, **others):
    return {"baseline": number, "evaluate_baseline": number} | others | TABLE


ONE_EXPERIMENT = {"propagate": 1, "evaluate": 1, "soft_propagate": 1} | TABLE
FROM_PROPAGATION = {"propagate": 5, "evaluate": 5, "soft_propagate": 5, "sweep": 4, "sweeps": 1} | TABLE
FROM_SCORES = {"score_pairs": 4, "propagate": 2, "evaluate": 2, "soft_propagate": 2, "sweep": 2, "sweeps": 1} | TABLE
FROM_TRAINING = {"train_mediator": 2} | FROM_SCORES
FROM_PAIRS = {"pairs": 4, "affinity": 2, "vote": 4, "ground_truth": 1} | FROM_TRAINING | FROM_PROPAGATION
FROM_KNN = {"knn": 11} | FROM_PAIRS | baselines(7)
FROM_SEARCH = FROM_KNN | baselines(8)  # hdbscan searches too
IN_SHARDS = {"knn_prepare": 11, "knn_round": 11 * 11 * 2, "knn_merge": 11}
IN_SHARDS |= {"pairs_shard": 8, "pairs_merge": 4, "affinity_shard": 4, "affinity_merge": 2}
FROM_SCAN = FROM_KNN | baselines(9)  # k-means too
FROM_POINTS = FROM_KNN | baselines(12)  # searches of a radius look along principal axes, too
EVERYTHING = {"check_features": 10} | FROM_KNN | baselines(12)
COMMITTEE_ALL = FROM_PAIRS | {"pairs": 2, "vote": 2, "propagate": 4, "evaluate": 4, "soft_propagate": 4, "sweep": 3}
COMMITTEE_SINGLE = {"pairs": 2, "vote": 2, "sweep": 1, "sweeps": 1} | ONE_EXPERIMENT
OTHER_LABELED = (
    {"check_features": 5, "knn": 5, "pairs": 2, "affinity": 1, "vote": 2}
    | FROM_TRAINING
    | {"score_pairs": 4, "sweep": 4}
)
NOTHING: dict[str, int] = {}
REFUSED = "refused"


def set_to(value):
    return lambda _: value


def without(item):
    return lambda items: [other for other in items if other != item]


def vgg_for_mobilenet(committee):
    committee.update(base="vgg", members=["resnet", "mobilenet", "wide", "attn"])


# file, then keys to the value: how it is edited, what becomes stale
CONFIG = {
    "config.yaml tables": (set_to(["demo", "emore_u200k"]), REFUSED),  # whose data are missing
    "config.yaml knn k": (set_to(16), FROM_KNN | {"knn": 10} | baselines(4)),
    "config.yaml knn backend": (set_to("exact"), FROM_KNN),
    "config.yaml knn device": (set_to("cpu"), FROM_KNN),
    "config.yaml knn recall": (set_to(0.95), FROM_KNN),
    "config.yaml knn seed": (set_to(1), FROM_KNN),
    "config.yaml knn shards": (
        set_to(2),
        {rule: n for rule, n in FROM_KNN.items() if rule not in ("knn", "pairs", "affinity")} | IN_SHARDS,
    ),
    "config.yaml knn cells cell_size": (set_to(100), FROM_KNN),
    "config.yaml knn cells probes": (set_to(4), FROM_KNN),
    "config.yaml knn faiss cells": (set_to(512), NOTHING),  # backend auto does not take it, nor nmslib
    "config.yaml knn faiss probes": (set_to(4), NOTHING),
    "config.yaml knn nmslib M": (set_to(17), NOTHING),
    "config.yaml knn nmslib ef_construction": (set_to(100), NOTHING),
    "config.yaml knn nmslib ef_search": (set_to(100), NOTHING),
    "config.yaml knn nmslib post": (set_to(0), NOTHING),
    "config.yaml propagation max_size": (set_to(500), FROM_PROPAGATION),
    "config.yaml propagation step": (set_to(0.1), FROM_PROPAGATION),
    "config.yaml propagation max_iter": (set_to(50), FROM_PROPAGATION),
    "config.yaml soft_propagation enabled": (set_to(False), NOTHING),
    "config.yaml soft_propagation decay": (set_to(0.5), {"soft_propagate": 5, "tables": 1}),
    "config.yaml soft_propagation depth": (set_to(4), {"soft_propagate": 5, "tables": 1}),
    "config.yaml mediator recipe": (set_to("reference"), FROM_TRAINING),
    "config.yaml mediator device": (set_to("cpu"), FROM_TRAINING),
    "config.yaml mediator seed": (set_to(1), FROM_TRAINING),
    "config.yaml sweep thresholds": (set_to(["0.5", "0.9"]), {"sweep": 4, "sweeps": 1}),
    "config.yaml threshold_choice objective": (
        set_to("bcubed_f"),
        NOTHING,
    ),  # nothing is auto here; see test_threshold.py
    "config.yaml threshold_choice folds": (set_to(4), NOTHING),
    "config.yaml baselines max_seconds": (set_to(3600), baselines(12)),
    "config.yaml baselines max_mb": (set_to(16000), baselines(12)),
    "config.yaml export min_size": (set_to(3), NOTHING),  # see test_exports_of_demo.py
    "config.yaml export min_confidence": (set_to(0.5), NOTHING),
    "config.yaml fetch_emore url": (set_to("http://127.0.0.1:9/data.tar.gz"), NOTHING),
    "datasets/demo.yaml labeled": (set_to("other_labeled"), OTHER_LABELED),
    "datasets/demo.yaml images": (set_to("other.zip"), TABLE),  # see test_sheets_of_demo.py
    "datasets/demo.yaml models": (lambda models: [*models, "another"], TABLE),
    "datasets/demo.yaml baselines kmeans n_clusters": (set_to(300), baselines(1)),
    "datasets/demo.yaml baselines minibatch_kmeans n_clusters": (set_to(300), baselines(1)),
    "datasets/demo.yaml baselines minibatch_kmeans batch_size": (set_to(2048), baselines(1)),
    "datasets/demo.yaml baselines spectral n_clusters": (set_to(300), baselines(1)),
    "datasets/demo.yaml baselines hac n_clusters": (set_to(300), baselines(1)),
    "datasets/demo.yaml baselines fast_hac distance": (set_to(0.5), baselines(1)),
    "datasets/demo.yaml baselines dbscan eps": (set_to(0.5), baselines(1)),
    "datasets/demo.yaml baselines dbscan min_samples": (set_to(9), baselines(1)),
    "datasets/demo.yaml baselines hdbscan min_cluster_size": (set_to(9), baselines(1)),
    "datasets/demo.yaml baselines hdbscan min_samples": (set_to(9), baselines(1)),
    "datasets/demo.yaml baselines knn_dbscan eps": (set_to(0.5), baselines(1)),
    "datasets/demo.yaml baselines knn_dbscan min_samples": (set_to(9), baselines(1)),
    "datasets/demo.yaml baselines approx_rank_order k": (set_to(15), baselines(1)),
    "datasets/demo.yaml baselines approx_rank_order threshold": (set_to(9), baselines(1)),
    "datasets/demo.yaml baselines chinese_whispers k": (set_to(15), baselines(1)),
    "datasets/demo.yaml baselines chinese_whispers threshold": (set_to(0.5), baselines(1)),
    "datasets/demo.yaml baselines infomap k": (set_to(20), baselines(1, knn=1)),
    "datasets/demo.yaml baselines infomap threshold": (set_to(0.5), baselines(1)),
    "datasets/demo.yaml baselines leiden resolution": (set_to(0.5), baselines(1)),
    "datasets/demo.yaml baselines leiden threshold": (set_to(0.5), baselines(1)),
    "datasets/demo.yaml committees single base": (set_to("vgg"), REFUSED),  # unlike that of demo_labeled; see below
    "datasets/demo.yaml committees all base": (set_to("another"), REFUSED),  # unknown
    "datasets/demo.yaml committees all members": (without("attn"), REFUSED),  # unlike that of demo_labeled
    "datasets/demo.yaml experiments 0 strategy": (
        set_to("mediator"),
        {"affinity": 2, "train_mediator": 1, "score_pairs": 2, "sweep": 1, "sweeps": 1} | ONE_EXPERIMENT,
    ),
    "datasets/demo.yaml experiments 0 committee": (
        set_to("all"),
        {"vote": 2, "sweep": 1, "sweeps": 1} | ONE_EXPERIMENT,
    ),
    "datasets/demo.yaml experiments 0 threshold": (set_to("0.7"), ONE_EXPERIMENT),
    "datasets/demo.yaml experiments 1 strategy": (set_to("ground_truth"), REFUSED),  # takes no threshold
    "datasets/demo.yaml experiments 1 committee": (set_to("single"), REFUSED),  # accept 1 without members
    "datasets/demo.yaml experiments 1 accept": (set_to(2), {"vote": 2, "sweep": 1, "sweeps": 1} | ONE_EXPERIMENT),
    "datasets/demo.yaml experiments 1 threshold": (set_to("0.7"), ONE_EXPERIMENT),
    "datasets/demo.yaml experiments 2 strategy": (set_to("vote"), REFUSED),  # takes no inputs
    "datasets/demo.yaml experiments 2 committee": (
        set_to("single"),
        {"affinity": 2, "train_mediator": 1, "score_pairs": 2, "sweep": 1, "sweeps": 1} | ONE_EXPERIMENT,
    ),
    "datasets/demo.yaml experiments 2 inputs": (
        set_to("010"),
        {"train_mediator": 1, "score_pairs": 2, "sweep": 1, "sweeps": 1} | ONE_EXPERIMENT,
    ),
    "datasets/demo.yaml experiments 2 threshold": (set_to("0.9"), ONE_EXPERIMENT),
    "datasets/demo.yaml experiments 3 strategy": (set_to("vote"), REFUSED),
    "datasets/demo.yaml experiments 3 committee": (
        set_to("single"),
        {"affinity": 2, "train_mediator": 1, "score_pairs": 2, "sweep": 1, "sweeps": 1} | ONE_EXPERIMENT,
    ),
    "datasets/demo.yaml experiments 3 inputs": (
        set_to("011"),
        {"train_mediator": 1, "score_pairs": 2, "sweep": 1, "sweeps": 1} | ONE_EXPERIMENT,
    ),
    "datasets/demo.yaml experiments 3 threshold": (set_to("0.9"), ONE_EXPERIMENT),
    "datasets/demo.yaml experiments 4 strategy": (set_to("vote"), REFUSED),  # has no threshold
    "datasets/demo.yaml experiments 4 committee": (set_to("single"), {"ground_truth": 1} | ONE_EXPERIMENT),
    "datasets/demo_labeled.yaml kind": (set_to("unlabeled"), REFUSED),  # demo needs it labelled
    "datasets/demo_labeled.yaml models": (lambda models: [*models, "another"], TABLE),
    "datasets/demo_labeled.yaml committees single base": (set_to("vgg"), REFUSED),
    "datasets/demo_labeled.yaml committees all base": (set_to("another"), REFUSED),
    "datasets/demo_labeled.yaml committees all members": (without("attn"), REFUSED),  # unlike that of demo
}

MODULES = {
    "__init__.py": NOTHING,
    "affinities.py": {"affinity": 2} | FROM_TRAINING,
    "baselines/__init__.py": NOTHING,
    "baselines/approx_rank_order.py": baselines(1),
    "baselines/chinese_whispers.py": baselines(1),
    "baselines/dbscan.py": baselines(1),
    "baselines/fast_hac.py": baselines(1),
    "baselines/graph.py": baselines(7),
    "baselines/hac.py": baselines(1),
    "baselines/hdbscan.py": baselines(1),
    "baselines/infomap.py": baselines(1),
    "baselines/kmeans.py": baselines(2),  # spectral uses it
    "baselines/knn_dbscan.py": baselines(1),
    "baselines/leiden.py": baselines(1),
    "baselines/method.py": baselines(12),
    "baselines/minibatch_kmeans.py": baselines(1),
    "baselines/radius.py": baselines(3),
    "baselines/seeding.py": baselines(4),
    "baselines/spanning_tree.py": baselines(1),
    "baselines/spectral.py": baselines(1),
    "budget.py": baselines(12),
    "calibration.py": NOTHING,  # of the report: see test_report_page.py
    "candidates.py": FROM_PAIRS,
    "compiled.py": NOTHING,
    "components.py": FROM_PROPAGATION | baselines(12),
    "confidence.py": NOTHING,
    "contact_sheets.py": NOTHING,  # see test_sheets_of_demo.py
    "cross_fit.py": NOTHING,
    "crowding.py": NOTHING,
    "dataset.py": EVERYTHING,
    "devices.py": FROM_SEARCH,
    "estimator.py": NOTHING,
    "evidence.py": NOTHING,
    "export.py": NOTHING,  # see test_exports_of_demo.py
    "export_folders.py": NOTHING,
    "features.py": EVERYTHING,
    "fetch.py": NOTHING,
    "figures.py": NOTHING,
    "files.py": EVERYTHING,
    "grid_search.py": NOTHING,  # see test_chosen_parameters.py
    "ground_truth.py": FROM_TRAINING
    | {"ground_truth": 1, "propagate": 3, "evaluate": 5, "evaluate_baseline": 12, "soft_propagate": 3, "sweep": 4},
    "images.py": NOTHING,
    "init.py": NOTHING,
    "jit.py": FROM_POINTS,
    "knn/__init__.py": FROM_SEARCH,
    "knn/aligned.py": FROM_POINTS,
    "knn/best.py": FROM_SCAN,
    "knn/blocks.py": FROM_SEARCH,
    "knn/cells.py": FROM_SEARCH,
    "knn/choice.py": FROM_SEARCH,
    "knn/exact.py": FROM_SEARCH,
    "knn/faiss.py": FROM_SEARCH,
    "knn/instructions.py": FROM_POINTS,
    "knn/nmslib.py": FROM_SEARCH,
    "knn/ordered.py": FROM_SEARCH,
    "knn/outline.py": FROM_SEARCH,
    "knn/parts.py": FROM_SEARCH,
    "knn/points.py": FROM_POINTS,
    "knn/products.py": FROM_POINTS,
    "knn/proposal.py": FROM_SEARCH,
    "knn/quantizer.py": FROM_SEARCH,
    "knn/recall.py": FROM_SEARCH,
    "knn/refine.py": FROM_SEARCH,
    "knn/scan.py": FROM_SCAN,
    "knn/scan_torch.py": FROM_SCAN,
    "knn/settle.py": FROM_SEARCH,
    "knn/shards.py": NOTHING,
    "knn/shortlist.py": FROM_SEARCH,
    "knn/vectors.py": FROM_SEARCH,
    "knn/widen.py": FROM_SEARCH,
    "labels.py": EVERYTHING,
    "mediator.py": FROM_TRAINING,
    "memory.py": FROM_PAIRS,
    "metrics.py": {"evaluate": 5, "evaluate_baseline": 12, "sweep": 4, "sweeps": 1} | TABLE,
    "neighbors.py": FROM_KNN | baselines(12),
    "pairs.py": FROM_PAIRS,
    "propagation.py": FROM_PROPAGATION,
    "quality.py": NOTHING,
    "report.py": NOTHING,
    "risk_coverage.py": NOTHING,
    "provenance.py": TABLE,
    "selection.py": {"vote": 4} | FROM_PROPAGATION | baselines(7),
    "soft_propagation.py": {"soft_propagate": 5, "tables": 1},
    "synthetic.py": NOTHING,
    "table.py": TABLE,
    "thinning.py": NOTHING,
    "threads.py": EVERYTHING,
    "threshold_choice.py": NOTHING,
    "threshold_sweep.py": {"sweep": 4, "sweeps": 1},
    "voting.py": {"vote": 4, "propagate": 2, "evaluate": 2, "soft_propagate": 2, "sweep": 2, "sweeps": 1} | TABLE,
}

SCRIPTS = {
    "affinity.py": {"affinity": 2} | FROM_TRAINING,
    "affinity_merge.py": NOTHING,
    "baseline.py": baselines(12),
    "calibration.py": NOTHING,
    "check_features.py": EVERYTHING,
    "cluster_sizes.py": NOTHING,
    "confidence.py": NOTHING,
    "contact_sheets.py": NOTHING,
    "costs.py": NOTHING,
    "choose_threshold.py": NOTHING,
    "cross_fit.py": NOTHING,
    "evaluate.py": {"evaluate": 5} | TABLE,
    "evaluate_baseline.py": {"evaluate_baseline": 12} | TABLE,
    "export.py": NOTHING,
    "fetch_emore.py": NOTHING,
    "figure.py": NOTHING,
    "grid_search.py": NOTHING,
    "ground_truth.py": {"ground_truth": 1} | ONE_EXPERIMENT,
    "job.py": NOTHING,
    "knn.py": FROM_KNN,
    "knn_merge.py": NOTHING,
    "knn_prepare.py": NOTHING,
    "knn_round.py": NOTHING,
    "pairs.py": FROM_PAIRS,
    "pairs_merge.py": NOTHING,
    "propagate.py": {"propagate": 5, "evaluate": 5, "soft_propagate": 5} | TABLE,
    "quality.py": NOTHING,
    "report_page.py": NOTHING,
    "risk_coverage.py": NOTHING,
    "provenance.py": TABLE,
    "score_pairs.py": FROM_SCORES,
    "soft_propagate.py": {"soft_propagate": 5, "tables": 1},
    "sweep.py": {"sweep": 4, "sweeps": 1},
    "synthetic.py": NOTHING,
    "synthetic_labels.py": NOTHING,
    "table.py": {"table": 1, "tables": 1},
    "train_mediator.py": FROM_TRAINING,
    "training_list.py": NOTHING,
    "vote.py": {"vote": 4, "propagate": 2, "evaluate": 2, "soft_propagate": 2, "sweep": 2, "sweeps": 1} | TABLE,
    "vote_auto.py": NOTHING,
}


def leaves(value, path=()):
    """Paths to all values; a list of plain values is one."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    if not children or (isinstance(value, list) and not any(isinstance(item, dict) for item in value)):
        yield path
    else:
        for key, child in children:
            yield from leaves(child, (*path, str(key)))


def stale(folder):
    planned, text = dry_run(folder, "tables", "sweeps")
    if not planned:
        assert any(line.startswith("error: ") for line in text.splitlines()), text
        assert "Traceback" not in text
        return REFUSED
    return jobs(text)


def test_every_value_has_an_expectation():
    found = {
        " ".join((file, *path))
        for file in ("config.yaml", "datasets/demo.yaml", "datasets/demo_labeled.yaml")
        for path in leaves(yaml.safe_load((ROOT / "config" / file).read_text()))
    }
    assert found == set(CONFIG)


def test_every_module_and_script_has_an_expectation():
    assert {path.relative_to(ROOT / "cdp").as_posix() for path in (ROOT / "cdp").rglob("*.py")} == set(MODULES)
    assert {path.name for path in (ROOT / "scripts").glob("*.py")} == set(SCRIPTS)


def test_nothing_is_stale_at_first(finished):
    assert stale(finished) == NOTHING


@pytest.mark.parametrize("leaf", CONFIG)
def test_editing_a_value(leaf, finished_config):
    file, *keys = leaf.split()
    edit, expected = CONFIG[leaf]

    def change(config):
        keys_or_indices = [int(key) if key.isdigit() else key for key in keys]
        parent = functools.reduce(lambda part, key: part[key], keys_or_indices[:-1], config)
        parent[keys_or_indices[-1]] = edit(parent[keys_or_indices[-1]])

    edit_yaml(finished_config / "config" / file, change)
    assert stale(finished_config) == expected


@pytest.mark.parametrize(
    ("committee", "change", "expected"),
    [
        ("single", lambda committee: committee.update(base="vgg"), COMMITTEE_SINGLE),
        ("all", vgg_for_mobilenet, COMMITTEE_ALL),
        ("all", lambda committee: committee["members"].remove("attn"), COMMITTEE_ALL),
        ("all", lambda committee: committee["members"].reverse(), COMMITTEE_ALL),
    ],
    ids=["single-base", "all-base", "all-members", "all-order"],
)
def test_editing_a_committee_in_both_data_sets(committee, change, expected, finished_config):
    for file in ("demo.yaml", "demo_labeled.yaml"):
        edit_yaml(finished_config / "config/datasets" / file, lambda entry: change(entry["committees"][committee]))
    assert stale(finished_config) == expected


@pytest.mark.parametrize("module", MODULES)
def test_editing_a_module(module, finished_code):
    with open(finished_code / "cdp" / module, "a") as file:
        file.write("\nedited = True\n")
    assert stale(finished_code) == MODULES[module]


@pytest.mark.parametrize("script", SCRIPTS)
def test_editing_a_script(script, finished_code):
    with open(finished_code / "scripts" / script, "a") as file:
        file.write("\nedited = True\n")
    assert stale(finished_code) == SCRIPTS[script]


def test_comments_docstrings_and_layout_make_nothing_stale(finished_code):
    files = [*(finished_code / "cdp").rglob("*.py"), *(finished_code / "scripts").glob("*.py")]
    assert len(files) == len(MODULES) + len(SCRIPTS)
    for path in files:
        text = path.read_text()
        assert text.startswith('"""')
        path.write_text(text.replace('"""', '"""Edited: ', 1) + "\n\n\n# a comment\n")
    for path in (finished_code / "config").rglob("*.yaml"):
        path.write_text("# a comment\n" + path.read_text())
    assert stale(finished_code) == NOTHING


def test_values_that_change_places_are_seen(finished_copy):
    """Snakemake compares params as a set: as one dict they keep their names."""
    path = finished_copy / "config/config.yaml"

    def limits(thresholds, max_iter):
        edit_yaml(path, lambda c: c.update(sweep={"thresholds": thresholds}, propagation={"max_iter": max_iter}))

    target = "results/demo_labeled/single/k15_vote_accept0_sweep/sz600_step0.05/sweep.csv"
    limits(5, 100)
    snakemake(finished_copy, target)
    limits(100, 5)
    assert jobs(dry_run(finished_copy, target)[1]) == {"sweep": 1}


def test_trying_a_value_and_going_back_costs_nothing(finished_config):
    path = finished_config / "config/config.yaml"
    text = path.read_text()
    edit_yaml(path, lambda config: config["mediator"].update(seed=3))
    assert stale(finished_config) == FROM_TRAINING
    path.write_text(text)
    assert stale(finished_config) == NOTHING


@pytest.fixture(scope="module")
def module_copy(finished, tmp_path_factory):
    folder = shutil.copytree(finished, tmp_path_factory.mktemp("staleness") / "copy")
    for name in ("other_labeled",):
        shutil.copy(folder / "config/datasets/demo_labeled.yaml", folder / f"config/datasets/{name}.yaml")
        shutil.copytree(folder / "data/labeled/demo_labeled", folder / f"data/labeled/{name}")
    return folder


def restored(folder, parts):
    """Give the folder away for editing and put its parts back as they were."""
    originals = {path: path.read_bytes() for part in parts for path in (folder / part).rglob("*") if path.is_file()}
    yield folder
    for path, content in originals.items():
        if path.read_bytes() != content:
            path.write_bytes(content)


@pytest.fixture
def finished_config(module_copy):
    yield from restored(module_copy, ["config"])


@pytest.fixture
def finished_code(module_copy):
    yield from restored(module_copy, ["cdp", "scripts", "config"])
