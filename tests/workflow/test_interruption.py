"""Runs that are killed and started again, and runs from scratch, end with the same bytes."""

import csv
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.workflow.helpers import copy_repository, snakemake

STAGES = [  # as the terminal announces them
    "check the features of",
    "kNN graph of",
    "candidate pairs of",
    "affinity of",
    "vote of",
    "ground truth of",
    "train mediator",
    "score pairs with",
    "clusters of",
    "evaluate",
    "sweep the threshold",
    "table of results",
]
TARGETS = ("tables", "sweeps")


def outcome(folder):
    """Bytes of all clusters and sweeps, and the table's figures without times."""
    results = folder / "results"
    files = sorted([*results.rglob("meta.txt"), *results.rglob("sweep.csv")])
    assert len(files) == 5 + 4
    with open(results / "demo/table.csv", newline="") as file:
        rows = [{key: row[key] for key in row if not key.endswith("_seconds")} for row in csv.DictReader(file)]
    return {path.relative_to(results): path.read_bytes() for path in files}, rows


@pytest.fixture(scope="module")
def undisturbed(finished):
    return outcome(finished)


def kill_in(folder, stage):
    """Start a run and kill it and its jobs just after it announced a job of this stage."""
    run = subprocess.Popen(
        [sys.executable, "-m", "snakemake", *TARGETS],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "PYTHONUNBUFFERED": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    for line in run.stdout:
        if line.startswith("Job ") and f": {stage}" in line:
            time.sleep(0.4)
            break
    assert run.poll() is None, f"no job of stage {stage!r} was running"
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    run.stdout.close()


def test_killed_in_every_stage(undisturbed, repository):
    for stage in STAGES:
        kill_in(repository, stage)
        snakemake(repository, "--unlock")
    snakemake(repository, *TARGETS)
    assert outcome(repository) == undisturbed
    assert not list((repository / "results").rglob(".*.tmp"))


def test_killed_job_alone(undisturbed, repository):
    """As the kernel does for want of memory: Snakemake itself lives on and reports."""
    run = subprocess.Popen(
        [sys.executable, "-m", "snakemake", *TARGETS],
        cwd=repository,
        env=os.environ | {"PYTHONPATH": str(repository), "PYTHONUNBUFFERED": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    for line in run.stdout:
        if ": kNN graph of" in line:
            time.sleep(0.4)
            subprocess.run(["pkill", "-KILL", "-f", f"{repository}/.snakemake/scripts/.*knn.py"], check=True)
            break
    run.stdout.read()
    assert run.wait() == 1
    snakemake(repository, *TARGETS)
    assert outcome(repository) == undisturbed


def test_two_runs_from_scratch_are_equal(undisturbed, repository):
    snakemake(repository, *TARGETS, "--cores", "1")
    assert outcome(repository) == undisturbed


def test_a_second_run_does_nothing(finished):
    assert "Nothing to be done" in snakemake(finished, "tables").stdout


def test_another_folder(tmp_path, undisturbed):
    """The workflow of one folder, data and results in another."""
    code, work = copy_repository(tmp_path / "code"), tmp_path / "work"
    work.mkdir()
    (code / "data").rename(work / "data")
    snakemake(work, "--snakefile", code / "Snakefile", "--directory", work, *TARGETS)
    assert outcome(work) == undisturbed
