"""What all benchmarks share: measuring in a process of its own, the table, the JSON file."""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def machine() -> dict[str, Any]:
    """Processor, usable CPUs, memory in GiB, Python."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.machine(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "python": platform.python_version(),
    }


def measured(name: str, work: Callable[..., Iterator[None]], *arguments: Any, max_seconds: float | None = None) -> Row:
    """Run `work` in a fresh process: its stage, the seconds and the peak memory (MB) of the whole process.

    `work` is a generator function: what it does up to its first `yield` (load files, compile) and after its
    second one (write files) is not timed. Raises TimeoutError after `max_seconds` in all.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        seconds, peak_mb = pool.apply_async(_run, (work, arguments)).get(max_seconds)
    return {"stage": name, "seconds": round(seconds, 3), "peak_mb": round(peak_mb)}


def _run(work: Callable[..., Iterator[None]], arguments: tuple[Any, ...]) -> tuple[float, float]:
    steps = work(*arguments)
    next(steps)
    start = time.perf_counter()
    next(steps)
    seconds = time.perf_counter() - start
    for _ in steps:
        pass
    return seconds, _peak_mb()


def _peak_mb() -> float:
    """Of this process; the kernel's ru_maxrss would count what its parent held when it started it."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def parser(description: str | None, name: str) -> argparse.ArgumentParser:
    """A parser with `--json`."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--json", type=Path, default=Path(__file__).parent / "results" / f"{name}.json", metavar="FILE")
    return made


def report(arguments: argparse.Namespace, rows: list[Row]) -> None:
    """Print the rows as a table and `save` them."""
    print(", ".join(f"{key} {value}" for key, value in (machine() | _options(arguments)).items()))
    table = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    save(arguments, rows)


def save(arguments: argparse.Namespace, rows: list[Row]) -> None:
    """Write the rows, with the options and the machine, to the JSON file."""
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine(), "options": _options(arguments), "rows": rows}
    arguments.json.write_text(json.dumps(content, indent=2, default=str) + "\n", encoding="utf-8")


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    return {key: value for key, value in vars(arguments).items() if key != "json"}
