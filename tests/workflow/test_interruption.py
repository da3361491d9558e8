"""Runs that are killed and started again, and runs from scratch, end with the same bytes."""

import csv
import os
import shutil
import signal
import subprocess
import time

import numpy as np

from tests.workflow.helpers import copy_repository, dry_run, made, snakemake, start, wait_for

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
TARGETS = ("tables", "sweeps", "--config", "soft_propagation={enabled: true}")


def figures(folder):
    """Those of the table, without times."""
    with open(folder / "results/demo/table.csv", newline="") as file:
        return [{key: row[key] for key in row if not key.endswith("_seconds")} for row in csv.DictReader(file)]


def test_killed_at_twenty_moments(finished, repository):
    """At some moments and in every stage: what has its name by then is what an undisturbed run makes."""
    whole, generator, ends = made(finished), np.random.default_rng(20), []
    for stage, target in [("", "tables")] * 6 + list(STAGES.items()):
        (repository / target).unlink(missing_ok=True)
        run = start(repository, target)
        wait_for(run, stage)
        time.sleep(generator.uniform(0, 0.3 if stage else 3))
        os.killpg(run.pid, signal.SIGKILL)
        run.communicate()
        ends.append(run.returncode)
        files = made(repository)
        assert files == {path: whole[path] for path in files}
        assert dry_run(repository, "--unlock")[0]
    assert ends.count(-signal.SIGKILL) > 15  # on a machine that halts, one may have ended before
    snakemake(repository, *TARGETS, "--cores", "1")
    assert made(repository) == whole
    assert figures(repository) == figures(finished)
    assert not list((repository / "results").rglob(".*.tmp"))


def test_killed_job_alone(finished, finished_copy):
    """As the kernel does for want of memory: Snakemake itself lives on and reports."""
    targets = ("results/demo/knn/mobilenet_k15.npz", SINGLE)
    (finished_copy / targets[0]).unlink()
    run = start(finished_copy, *targets)
    wait_for(run, "kNN graph of")
    time.sleep(0.15)
    subprocess.run(["pkill", "-KILL", "-f", f"{finished_copy}/.snakemake/scripts/.*knn.py"], check=True)
    run.communicate()
    assert run.returncode == 1
    snakemake(finished_copy, *targets)
    assert made(finished_copy) == made(finished)


def test_a_second_run_does_nothing(finished):
    assert "Nothing to be done" in snakemake(finished, "tables").stdout


def test_another_folder(tmp_path, finished):
    """The workflow of one folder, data and results in another."""
    code, work = copy_repository(tmp_path / "code"), tmp_path / "work"
    shutil.copytree(finished / "data", work / "data")
    snakemake(work, "--snakefile", code / "Snakefile", "--directory", work, SINGLE)
    assert (work / SINGLE).read_bytes() == (finished / SINGLE).read_bytes()
