"""Runs that are killed and started again, and runs from scratch, end with the same bytes."""

import csv
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.workflow.helpers import copy_repository, snakemake

DEMO, LABELED = "results/demo/all", "results/demo_labeled/all"
CLUSTERS = f"{DEMO}/k15_vote_accept1_th0.7534/sz600_step0.05"
SINGLE = "results/demo/single/k15_vote_accept0_th0.7814/sz600_step0.05/evaluation.json"
STAGES = {  # as the terminal announces them, and a file that such a job makes
    "check the features of vgg": "results/demo/features/vgg.json",
    "kNN graph of vgg": "results/demo/knn/vgg_k15.npz",
    "candidate pairs of": f"{DEMO}/k15/pairs.npz",
    "affinity of": f"{DEMO}/k15/affinity.npy",
    "vote of": f"{DEMO}/k15/scores_vote_accept1.npy",
    "ground truth of": f"{DEMO}/k15/scores_ground_truth.npy",
    "train mediator": f"{LABELED}/k15/mediator_110.pt",
    "score pairs with": f"{DEMO}/k15/scores_mediator_110.npy",
    "clusters of": f"{CLUSTERS}/meta.txt",
    "label weights of": f"{CLUSTERS}/soft_labels.npz",
    "evaluate": f"{CLUSTERS}/evaluation.json",
    "sweep the threshold": f"{LABELED}/k15_vote_accept1_sweep/sz600_step0.05/sweep.csv",
    "baseline fast_hac": "results/demo/baselines/fast_hac/meta.txt",
    "table of CDP's results": "results/demo/cdp.md",
}
TARGETS = ("results/demo/cdp.md", "sweeps")


def outcome(folder, table="cdp"):
    """Bytes of all clusters and sweeps, and the figures of a table without times; `cdp` leaves the baselines out."""
    results = folder / "results"
    files = sorted([*results.glob("*/*/*/*/meta.txt"), *results.rglob("sweep.csv")])
    assert len(files) == 5 + 4
    if table == "table":
        files += sorted(results.glob("demo/baselines/*/meta.txt"))
        assert len(files) == 5 + 4 + 12
    with open(results / f"demo/{table}.csv", newline="") as file:
        rows = [{key: row[key] for key in row if not key.endswith("_seconds")} for row in csv.DictReader(file)]
    return {path.relative_to(results): path.read_bytes() for path in files}, rows


@pytest.fixture(scope="module")
def undisturbed(finished):
    return outcome(finished)


def start(folder, *targets):
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", *targets],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "PYTHONUNBUFFERED": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def wait_for(run, stage):
    """Read what a run prints until it has begun a job of this stage."""
    for line in run.stdout:
        if line.startswith("Job ") and f": {stage}" in line:
            time.sleep(0.15)
            return
    pytest.fail(f"no job of stage {stage!r} was announced")


def test_killed_in_every_stage(undisturbed, repository):
    for stage, target in STAGES.items():
        run = start(repository, target)
        wait_for(run, stage)
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        assert run.returncode == -signal.SIGKILL
        assert not (repository / target).exists()
        snakemake(repository, "--unlock")
    snakemake(repository, *TARGETS)
    assert outcome(repository) == undisturbed
    assert not list((repository / "results").rglob(".*.tmp"))


def test_killed_job_alone(finished, repository):
    """As the kernel does for want of memory: Snakemake itself lives on and reports."""
    run = start(repository, SINGLE)
    wait_for(run, "kNN graph of")
    subprocess.run(["pkill", "-KILL", "-f", f"{repository}/.snakemake/scripts/.*knn.py"], check=True)
    run.communicate()
    assert run.returncode == 1
    snakemake(repository, SINGLE)
    assert (repository / SINGLE).read_bytes() == (finished / SINGLE).read_bytes()


def test_two_runs_from_scratch_are_equal(finished, repository):
    snakemake(repository, "tables", "sweeps", "--cores", "1")
    assert outcome(repository, "table") == outcome(finished, "table")


def test_a_second_run_does_nothing(finished):
    assert "Nothing to be done" in snakemake(finished, "tables").stdout


def test_another_folder(tmp_path, finished):
    """The workflow of one folder, data and results in another."""
    code, work = copy_repository(tmp_path / "code"), tmp_path / "work"
    work.mkdir()
    (code / "data").rename(work / "data")
    snakemake(work, "--snakefile", code / "Snakefile", "--directory", work, SINGLE)
    assert (work / SINGLE).read_bytes() == (finished / SINGLE).read_bytes()
