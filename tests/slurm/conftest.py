"""A real SLURM of one node, with daemons and folders of its own, for as long as a test runs."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from filelock import FileLock

from tests.workflow.conftest import finished, repository  # noqa: F401

CONFIG = Path("/etc/slurm/slurm.conf")  # no other place will do: SLURM_CONF does not reach the steps of a job
MARK = "# Written by the tests of CDP, which remove it.\n"
PROFILE = (
    *("--profile", "profiles/slurm"),
    *("--max-threads", "2"),  # the node's CPUs
    *("--slurm-status-command", "squeue"),  # no accounting here
    *("--slurm-init-seconds-before-status-checks", "6"),
)
PATIENCE = 900  # seconds that a command may take on a busy machine

SETTINGS = """\
ClusterName=cdp
SlurmctldHost={host}
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
ReturnToService=1
SlurmdTimeout=0
KillWait=1
MinJobAge=3600
SchedulerParameters=batch_sched_delay=0,sched_interval=1
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=8000
PartitionName=main Nodes={host} Default=YES State=UP
"""


def reason_to_skip():
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch", "setpriv") if not shutil.which(name)]
    if missing:
        return f"SLURM is not installed (no {', '.join(missing)}; see .ci/run)"
    if os.geteuid() != 0:
        return "SLURM's daemons want to run as root"
    if CONFIG.exists() and not CONFIG.read_text().startswith(MARK):
        return f"{CONFIG} is there: this machine belongs to a cluster"
    return None


def until(condition, seconds=PATIENCE):
    """What `condition` gives once that is true. Counts what it waits itself: a machine may halt."""
    for _ in range(5 * seconds):
        if result := condition():
            return result
        time.sleep(0.2)
    return pytest.fail("a test of SLURM waited in vain")


class Cluster:
    """SLURM's daemons and what runs on them, in the foreground: all die with this process, however that ends."""

    def __init__(self, folder):
        self.folder, self.processes, self.node = folder, {}, socket.gethostname().split(".")[0]

    def start(self, name, *command, log, **options):
        with open(log, "a") as file:
            self.processes[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
                **options,
            )
        return self.processes[name]

    def start_daemon(self, name, *options):
        self.start(name, name, *options, log=self.folder / f"{name}.log")

    def start_workflow(self, folder, *arguments):
        """Snakemake with profiles/slurm in a copy of the repository; prints to terminal.log there."""
        command = (sys.executable, "-m", "snakemake", *PROFILE, *arguments)
        environment = os.environ | {"PYTHONPATH": str(folder)}
        return self.start("workflow", *command, log=folder / "terminal.log", cwd=folder, env=environment)

    def stop(self, name):
        self.processes[name].terminate()
        self.processes[name].wait(PATIENCE)

    def run(self, *command, check=True):
        done = subprocess.run(command, text=True, capture_output=True, timeout=PATIENCE)
        assert not check or done.returncode == 0, done.stderr
        return done.stdout

    def set_node(self, state):
        self.run("scontrol", "update", f"nodename={self.node}", f"state={state}", "reason=test")

    def jobs(self, rule=""):
        """The jobs of a rule or group so far, oldest first."""
        keys = ("id", "state", "rule", "cpus", "memory", "minutes")
        lines = self.run("squeue", "--states=all", "--noheader", "--sort=i", "--format=%A|%T|%k|%C|%m|%l")
        jobs = [dict(zip(keys, line.split("|"), strict=True)) for line in lines.splitlines()]
        return [job for job in jobs if job["rule"].startswith(f"rule_{rule}")]

    def wait_for(self, rule, state, number=1):
        """The so-and-so-many-th job of a rule or group, once it is in this state."""
        return until(lambda: [job for job in self.jobs(rule)[number - 1 : number] if job["state"] == state])[0]


def free_ports(number):
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture
def cluster():
    with FileLock("/tmp/cdp_slurm_tests.lock"):
        if reason := reason_to_skip():
            pytest.skip(reason)
        folder = Path(tempfile.mkdtemp(prefix="cdp_slurm_", dir="/tmp"))  # short, as sockets need it
        cluster = Cluster(folder)
        controller_port, node_port = free_ports(2)
        try:
            for name in ("state", "spool"):
                (folder / name).mkdir()
            CONFIG.write_text(
                MARK
                + SETTINGS.format(
                    host=cluster.node, folder=folder, controller_port=controller_port, node_port=node_port
                )
            )
            key = folder / "munge.key"
            key.write_bytes(os.urandom(1024))
            key.chmod(0o400)
            files = {name: f"{folder}/munge.{name}" for name in ("socket", "pid-file", "log-file", "seed-file")}
            options = [f"--{name}={path}" for name, path in files.items()]
            cluster.start_daemon("munged", "--foreground", "--force", f"--key-file={key}", *options)
            until((folder / "munge.socket").exists)
            cluster.start_daemon("slurmctld", "-D", "-i")
            cluster.start_daemon("slurmd", "-D")
            until(lambda: "idle" in cluster.run("sinfo", "--noheader", "--format=%T", check=False))
            yield cluster
            cluster.stop("workflow")
            cluster.run("scancel", "--user=root", check=False)
            until(lambda: not cluster.run("squeue", "--noheader", check=False))
        finally:
            for name in reversed(list(cluster.processes)):
                cluster.stop(name)
            CONFIG.unlink(missing_ok=True)
            shutil.rmtree(folder, ignore_errors=True)
