"""Snakemake in copies of the repository."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
DEMO = ("data/labeled/demo_labeled", "data/unlabeled/demo")  # of what else lies in data/, nobody wants a copy a test
PARTS = ("Snakefile", "rules", "scripts", "cdp", "config", "profiles", *DEMO)


def snakemake(folder, *arguments, check=True, **options):
    """Run Snakemake in a copy of the repository; gives the completed process with its output in .stdout."""
    command = [sys.executable, "-m", "snakemake", *arguments]
    environment = os.environ | {"PYTHONPATH": str(folder)}
    done = subprocess.run(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options
    )
    assert not check or done.returncode == 0, done.stdout
    return done


def jobs(output):
    """Jobs of a dry run by rule, from its statistics."""
    if "Nothing to be done" in output:
        return {}
    table = re.search(r"Job stats:\njob\s+count\n[-\s]+\n(.*?)\ntotal", output, re.DOTALL)
    assert table, output
    return {line.split()[0]: int(line.split()[1]) for line in table[1].splitlines()}


def copy_repository(folder):
    folder.mkdir(parents=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part)
        else:
            shutil.copy2(source, folder / part)
    return folder


def edit_yaml(path, change):
    """Load a YAML file, let `change` alter what it holds, write it back."""
    content = yaml.safe_load(path.read_text())
    change(content)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
