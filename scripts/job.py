"""What all scripts share: logging, threads, and one sentence instead of a traceback for a user's mistake."""

import gc
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

from cdp.threads import limit_threads


def run(main: Callable[[Any], None], snakemake: Any) -> None:
    """Run a script's main under its rule's number of threads.

    Messages go to the log and, with the file that is made, to the terminal, where those of other jobs come between.
    """
    logging.basicConfig(level=logging.INFO, format=f"{snakemake.output[0]}: %(message)s")
    logging.captureWarnings(True)
    logging.getLogger("faiss").setLevel(logging.WARNING)  # it tells which of its builds it loads
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}"
    try:
        logging.getLogger().addHandler(logging.FileHandler(snakemake.log[0], mode="w"))
        start = time.perf_counter()
        before = {path: _state(path) for path in snakemake.input}
        with limit_threads(snakemake.threads):
            main(snakemake)
        for path, state in before.items():
            if _state(path) != state:
                raise ValueError(f"{path} was changed while it was read; run again")
        with open(snakemake.log[0], "a", encoding="utf-8") as log:
            log.write(f"computed in {time.perf_counter() - start:.3f} s\n")
        gc.freeze()  # spares the collection of garbage at exit, which takes 0.1 s after numba, 0.3 s after torch
    except (ValueError, OSError, MemoryError) as error:
        logging.error("error: %s", str(error) or "out of memory; give the job more, or lower its threads")
        sys.exit(1)


def share(wildcards: Any, number: int) -> tuple[int, int]:
    """The first of so many things that a job works on, and the one after its last: all, unless it is one of shards."""
    shard, shards = int(wildcards.get("shard", 0)), int(wildcards.get("shards", 1))
    return shard * number // shards, (shard + 1) * number // shards


def _state(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns
