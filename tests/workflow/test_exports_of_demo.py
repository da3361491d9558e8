"""Exports of the demo, and what makes them stale."""

import csv
import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests.workflow.helpers import DEMO, dry_run, edit_yaml, jobs, snakemake

pytestmark = pytest.mark.xdist_group("exports")  # made once

RESULT = "results/demo/all/k15_mediator_111_th0.9862/sz600_step0.05"
TARGETS = [f"{RESULT}/clusters.csv", f"{RESULT}/training_list.txt"]


@pytest.fixture(scope="module")
def exported(finished, tmp_path_factory):
    """A copy of the finished run with exports of one experiment."""
    folder = shutil.copytree(finished, tmp_path_factory.mktemp("export") / "copy")
    snakemake(folder, *TARGETS)
    return folder


def stale(folder):
    planned, text = dry_run(folder, *TARGETS)
    assert planned, text
    return jobs(text)


def test_files_agree_with_each_other_and_with_the_clusters(exported):
    folder = exported / RESULT
    names = (exported / DEMO[1] / "list.txt").read_text().splitlines()
    clusters = np.loadtxt(folder / "meta.txt", dtype=int)
    with np.load(folder / "confidence.npz", allow_pickle=False) as confidence:
        of_samples, of_clusters = confidence["samples"], confidence["clusters"]
    with open(folder / "clusters.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["sample"] for row in rows] == names
    assert [int(row["cluster"]) for row in rows] == clusters.tolist()
    np.testing.assert_allclose([float(row["confidence"]) for row in rows], of_samples, atol=6e-5)
    lines = [json.loads(line) for line in (folder / "clusters.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(lines) == clusters.max() + 1
    assert [name for line in lines for name in line["samples"]] == [
        names[i] for i in np.argsort(clusters, kind="stable") if clusters[i] >= 0
    ]
    np.testing.assert_allclose([line["confidence"] for line in lines], of_clusters, atol=6e-5)
    listed = [line.rsplit(" ", 1) for line in (folder / "training_list.txt").read_text().splitlines()]
    sizes = np.bincount(clusters[clusters >= 0])
    assert [name for name, _ in listed] == [names[i] for i, c in enumerate(clusters) if c >= 0 and sizes[c] >= 2]
    assert {int(label) for _, label in listed} == set(range((sizes >= 2).sum()))


def test_what_makes_exports_stale(exported):
    assert stale(exported) == {}
    config, names = exported / "config/config.yaml", exported / DEMO[1] / "list.txt"

    def rename_first():
        names.write_text(names.read_text().replace("U+", "u+", 1))
        os.utime(names, (0, 0))  # replaced by an older file

    for path, change, expected in [
        (config, lambda: edit_yaml(config, lambda c: c["export"].update(min_size=3)), {"training_list": 1}),
        (config, lambda: edit_yaml(config, lambda c: c["export"].update(min_confidence=0.5)), {"training_list": 1}),
        (names, rename_first, {"export": 1, "training_list": 1}),
        (module := exported / "cdp/export.py", lambda: module.write_text(module.read_text() + "\nedited = True\n"),
         {"export": 1, "training_list": 1}),
    ]:  # fmt: skip
        text = path.read_text()
        change()
        assert stale(exported) == expected
        path.write_text(text)
    assert stale(exported) == {}


def test_discard_rules_out_of_range_are_told(exported):
    done = snakemake(exported, "-n", *TARGETS, "--config", "export={min_confidence: 2}", check=False)
    assert done.returncode == 1
    assert "error: config: export.min_confidence is 2; it must be a number, at least 0 and at most 1" in done.stdout


def test_folders_from_the_demo_s_zip(exported, tmp_path):
    command = [sys.executable, "-m", "cdp.export_folders", RESULT, str(tmp_path / "out"), "--mode", "copy"]
    command += ["--source", f"{DEMO[1]}/images.zip"]
    done = subprocess.run(command, cwd=exported, text=True, capture_output=True, check=True)
    assert done.stdout == f"{tmp_path}/out: files of 10,000 of 10,000 samples, a folder a cluster\n"
    clusters = np.loadtxt(exported / RESULT / "meta.txt", dtype=int)
    for cluster in (0, 7, clusters.max()):
        assert len(list((tmp_path / f"out/{cluster:03d}").iterdir())) == (clusters == cluster).sum()
    assert len(list((tmp_path / "out/discarded").iterdir())) == (clusters < 0).sum()
    again = subprocess.run(command, cwd=exported, text=True, capture_output=True)
    assert again.returncode == 1
    assert again.stderr == f"error: {tmp_path}/out exists and is left as it is; name a folder that does not exist yet\n"
