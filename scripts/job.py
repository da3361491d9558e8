"""What all scripts share: logging, threads, and one sentence instead of a traceback for a user's mistake."""

import logging
import os
import sys
from collections.abc import Callable
from typing import Any

from cdp.threads import limit_threads


def run(main: Callable[[Any], None], snakemake: Any) -> None:
    """Run a script's main under its rule's number of threads; messages go to the log and to the terminal."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # BLAS, numba and torch take turns; idle threads must not spin
    handlers = [logging.StreamHandler(sys.stderr), logging.FileHandler(snakemake.log[0], mode="w")]
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=handlers)
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").handlers = []
    try:
        with limit_threads(snakemake.threads):
            main(snakemake)
    except (ValueError, OSError, MemoryError) as error:
        logging.error("error: %s", error or "out of memory; give the job more or lower its threads")
        sys.exit(1)
