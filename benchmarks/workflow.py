"""Running the real workflow for a benchmark: wall time, and what each job took, from its log and benchmark file."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


class Job(NamedTuple):
    """A finished job: seconds in Snakemake's account, seconds in its script's main and when that ended, peak MB."""

    rule: str
    seconds: float
    computed: float
    end: float
    peak_mb: float


def run(folder: Path, *targets: str, cores: int = 2) -> float:
    """Make the targets in a folder of their own that shares this repository's data; seconds of wall time."""
    (folder / "data").exists() or (folder / "data").symlink_to(ROOT / "data")
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "--directory", str(folder)]
    start = time.perf_counter()
    subprocess.run([*command, *targets, "--cores", str(cores), "--quiet", "all"], check=True, cwd=ROOT)
    return time.perf_counter() - start


def jobs(folder: Path) -> list[Job]:
    """All jobs that left their log and benchmark file in a folder of results."""
    found = []
    for path in sorted(folder.rglob("*.benchmark.jsonl")):
        log = path.with_name(path.name.replace(".benchmark.jsonl", ".log"))
        benchmark = json.loads(path.read_text().splitlines()[-1])
        computed = re.findall(r"^computed in ([\d.]+) s$", log.read_text(), re.MULTILINE)
        peak = benchmark["max_rss"]
        found.append(
            Job(
                benchmark["rule_name"],
                float(benchmark["s"]),
                float(computed[-1]),
                log.stat().st_mtime,
                float(peak) if peak not in (None, "NA") else float("nan"),
            )
        )
    return found


def covered(jobs: list[Job]) -> float:
    """Seconds in which at least one job was computing."""
    total, until = 0.0, 0.0
    for start, end in sorted((job.end - job.computed, job.end) for job in jobs):
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total
