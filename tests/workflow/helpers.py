"""Snakemake in copies of the repository."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from snakemake.cli import main as snakemake_main

ROOT = Path(__file__).parents[2]
DEMO = ("data/labeled/demo_labeled", "data/unlabeled/demo")  # of what else lies in data/, nobody wants a copy a test
CODE = ("Snakefile", "captions", "rules", "scripts", "cdp", "config", "profiles")


def snakemake(folder, *arguments, check=True, **options):
    """Run Snakemake in a copy of the repository; gives the completed process with its output in .stdout."""
    command = [sys.executable, "-m", "snakemake", *arguments]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    done = subprocess.run(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options
    )
    assert not check or done.returncode == 0, done.stdout
    return done


def start(folder, *targets):
    """Start Snakemake in a copy of the repository, as a group of processes that can be killed together."""
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", *targets],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder), "PYTHONUNBUFFERED": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def wait_for(run, words):
    """Read what a run prints until it says of a job that it has begun."""
    assert any(line.startswith("Job ") and words in line for line in run.stdout), f"no job {words!r} was announced"


def made(folder):
    """The bytes of all stage files by path; tables hold times, and pictures of a run are no results."""
    kinds = re.compile(r"(\.npz|\.npy|\.pt|(?<!provenance)\.json|meta\.txt|sweep\.csv)$")
    files = [path for path in (folder / "results").rglob("[!.]*") if kinds.search(str(path))]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def dry_run(folder, *arguments):
    """Whether `snakemake -n` ends well in a copy of the repository, and what it prints.

    In a fork of this process, where Snakemake is loaded: that takes longer than the dry run itself.
    """
    with tempfile.TemporaryFile() as output:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.chdir(folder)
                for stream in (1, 2):
                    os.dup2(output.fileno(), stream)
                sys.stdout, sys.stderr = (os.fdopen(stream, "w", closefd=False) for stream in (1, 2))
                snakemake_main(["-n", *arguments])
                code = 0
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
                print(end.code)
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        output.seek(0)
        return os.waitstatus_to_exitcode(status) == 0, output.read().decode()


def jobs(output):
    """Jobs of a dry run by rule, from its statistics."""
    if "Nothing to be done" in output:
        return {}
    table = re.search(r"Job stats:\njob\s+count\n[-\s]+\n(.*?)\ntotal", output, re.DOTALL)
    assert table, output
    return {line.split()[0]: int(line.split()[1]) for line in table[1].splitlines()}


def copy_repository(folder, *, data=()):
    """A copy of the code, compiled where it is, and of these folders of data."""
    folder.mkdir(parents=True)
    for part in (*CODE, *data):
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, copy_function=_copy_if_there)
        else:
            shutil.copy2(source, folder / part)
    return folder


def _copy_if_there(source, target):
    """Compiled code is replaced by other workers meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        shutil.copy2(source, target)


def edit_yaml(path, change):
    """Load a YAML file, let `change` alter what it holds, write it back."""
    content = yaml.safe_load(path.read_text())
    change(content)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
