"""The workflow on a real SLURM: results equal those of a local run, whatever happens meanwhile."""

import os
import re
import shutil
import signal

import numpy as np
import pytest

from tests.slurm.conftest import until
from tests.workflow.helpers import snakemake

pytestmark = pytest.mark.xdist_group("slurm")

CLUSTERS = "results/demo/single/k15_vote_accept0_th0.7814/sz600_step0.05/meta.txt"


def finish(run, folder):
    """Wait for a run's end; gives its exit status and what it printed."""
    until(lambda: run.poll() is not None)
    return run.returncode, (folder / "terminal.log").read_text()


def test_an_error_reaches_the_terminal(cluster, repository):
    """One sentence, whether the job that fails is in a group or not."""
    path = repository / "data/unlabeled/demo/features/mobilenet.npy"
    features = np.load(path)
    features[3] = np.nan
    np.save(path, features)
    status, output = finish(cluster.start_workflow(repository, CLUSTERS, "--retries", "0"), repository)
    assert status == 1
    assert re.search(rf"^error: {re.escape(str(path.relative_to(repository)))}.*row 3", output, re.MULTILINE), output
    assert "Traceback" not in output


def test_disturbances(cluster, repository, request):
    """A job is cancelled, the controller restarted, the node drained and resumed, Snakemake killed, the node lost."""
    run = cluster.start_workflow(repository, CLUSTERS)
    search = cluster.wait_for("knn", "RUNNING")
    log = repository / "results/demo/knn/mobilenet_k15.log"
    until(log.exists)
    cluster.run("scancel", search["id"])
    cluster.wait_for("knn", "CANCELLED")
    log.unlink(missing_ok=True)
    again = cluster.wait_for("knn", "RUNNING", number=2)
    for what in ("memory", "minutes"):
        assert amount(again[what]) == 2 * amount(search[what])
    until(log.exists)
    cluster.stop("slurmctld")
    cluster.start_daemon("slurmctld", "-D")

    cluster.set_node("drain")
    cluster.wait_for("pairs", "PENDING")
    config = repository / "config/config.yaml"
    config.rename(repository / "config.yaml")
    config.write_text("knn: [")  # the jobs that wait keep the configuration of their run
    cluster.set_node("resume")
    cluster.wait_for("pairs", "RUNNING")

    cluster.wait_for("votes", "RUNNING")
    os.killpg(run.pid, signal.SIGKILL)
    output = finish(run, repository)[1]
    cluster.run("scancel", "--name", re.search(r"SLURM run ID: (\S+)", output)[1])
    (repository / "config.yaml").rename(config)
    assert not (repository / CLUSTERS).exists()
    snakemake(repository, "--unlock")

    run = cluster.start_workflow(repository, CLUSTERS)
    lost = cluster.wait_for("clusters", "RUNNING")
    cluster.set_node("down")
    cluster.set_node("resume")
    cluster.wait_for("clusters", "PENDING")
    cluster.run("scontrol", "update", f"jobid={lost['id']}", "starttime=now")  # SLURM itself would wait for two minutes
    status, output = finish(run, repository)
    assert status == 0, output
    finished = request.getfixturevalue("finished")  # others may have made it by now
    assert (repository / CLUSTERS).read_bytes() == (finished / CLUSTERS).read_bytes()
    assert not list((repository / "results").rglob(".*.tmp"))
    assert "Nothing to be done" in snakemake(repository, CLUSTERS).stdout


def amount(text):
    """Megabytes of `706M`, minutes of `4:00:00`."""
    if ":" in text:
        hours, minutes, _ = map(int, text.split(":"))
        return 60 * hours + minutes
    return int(text.removesuffix("M"))


def test_demo_equals_a_local_run(cluster, finished, tmp_path):
    """The labelled set's mediators are there; all of the demo itself goes through SLURM."""
    folder = shutil.copytree(finished, tmp_path / "repository")
    shutil.rmtree(folder / "results/demo")
    status, output = finish(cluster.start_workflow(folder, "results/demo/cdp.md"), folder)
    assert status == 0, output
    made = sorted(folder.glob("results/demo/*/*/*/meta.txt"))
    assert len(made) == 5
    for path in made:
        assert path.read_bytes() == (finished / path.relative_to(folder)).read_bytes()

    jobs = cluster.jobs()
    assert {job["state"] for job in jobs} == {"COMPLETED"}
    assert [len(cluster.jobs(group)) for group in ("checks", "votes", "clusters", "evaluations")] == [1] * 4
    assert not cluster.jobs("cdp")
