"""Where results come from: versions, code, inputs and jobs, in a record that is the same whenever these are."""

import platform
import subprocess
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any

from cdp.files import read_json, sha256
from cdp.table import machine, read_benchmark

CODE = Path(__file__).parents[1]


def provenance(
    *,
    config: Mapping[str, Any],
    features: Mapping[str, str],
    labels: Iterable[str],
    benchmarks: Iterable[str],
    packages: Iterable[str],
) -> dict[str, Any]:
    """What a table rests on.

    Parameters
    ----------
    config : mapping
        As validated, defaults included.
    features : mapping of path to path
        Feature files, and of each the JSON file that holds its ``sha256``.
    labels : iterable of paths
        Label files; hashed here.
    benchmarks : iterable of paths
        The jobs' benchmark files, in Snakemake's extended JSON lines; may be missing.
    packages : iterable of str
        Import names.

    Returns
    -------
    dict
        ``code`` (`code_version`), ``config``, ``inputs`` (SHA-256 by path), ``jobs`` (rule, threads and hash of the
        source code by name; None without benchmark file), ``machine`` (on which this is called), ``versions``.
    """
    return {
        "code": code_version(CODE),
        "config": config,
        "inputs": {
            **{path: read_json(check)["sha256"] for path, check in features.items()},
            **{path: sha256(path) for path in labels},
        },
        "jobs": {path.removesuffix(".benchmark.jsonl"): _job(path) for path in benchmarks},
        "machine": machine(),
        "versions": {"python": platform.python_version(), **versions(["cdp", "snakemake", *packages])},
    }


def code_version(folder: Path) -> dict[str, Any]:
    """Git's ``commit`` of a folder and whether files that it tracks there are ``modified``; None without repository."""
    tracked = _git(folder, "ls-files", "Snakefile")
    commit = _git(folder, "rev-parse", "HEAD") if tracked else None
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no", ".") if commit else None
    return {"commit": commit or None, "modified": None if changes is None else bool(changes)}


def versions(packages: Iterable[str]) -> dict[str, str | None]:
    """Versions of the distributions that packages come from, by name; None for what is not installed as one."""
    distributions = packages_distributions()
    found: dict[str, str | None] = {}
    for package in packages:
        name = distributions.get(package, [package])[0]
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return dict(sorted(found.items()))


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says; None if it is not installed or fails."""
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-C", folder, *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _job(benchmark: str) -> dict[str, Any] | None:
    job = read_benchmark(benchmark)
    if job is None:
        return None
    source = job.get("params", {}).get("source")
    return {"rule": job.get("rule_name"), "source": source, "threads": job.get("threads")}
