"""A computation within limits of time and memory, whose failure is a result like any other."""

import ctypes
import multiprocessing
import re
import resource
import signal
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection

_OUT_OF_MEMORY = re.compile("bad_alloc|cannot allocate memory|can't start new thread", re.IGNORECASE)
_PR_SET_PDEATHSIG = 1  # of Linux's prctl: the signal that a process gets when its parent ends


def run_within(work: Callable[[], None], *, seconds: float, megabytes: int) -> str | None:
    """Run `work` in a process of its own, and end that when it has used up its budget.

    Parameters
    ----------
    work : callable
        Leaves its results in files. Libraries that hold threads must not be in use before.
    seconds : float
        Of wall time.
    megabytes : int
        Of memory that the process may ask for (10^6 bytes); mapped files do not count. Kept to on Linux.

    Returns
    -------
    str or None
        None if `work` ended well; otherwise what happened, such as "over 2 h", "out of memory (24 GB)",
        "killed (SIGSEGV)", "ended without a result (exit code 1)" or "failed: " and the error's message.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_limited, args=(work, megabytes, sender))
    child.start()
    sender.close()
    try:
        if not receiver.poll(seconds):
            return f"over {_duration(seconds)}"
        return receiver.recv()
    except EOFError:
        child.join()
        code = child.exitcode or 0
        return f"killed ({signal.Signals(-code).name})" if code < 0 else f"ended without a result (exit code {code})"
    finally:
        child.kill()
        child.join()


def _limited(work: Callable[[], None], megabytes: int, sender: Connection) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = megabytes * 10**6 if hard == resource.RLIM_INFINITY else min(megabytes * 10**6, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    reason = None
    try:
        work()
    except Exception as error:
        if isinstance(error, MemoryError) or _OUT_OF_MEMORY.search(str(error)):
            reason = f"out of memory ({megabytes / 1000:g} GB)"
        else:
            reason = f"failed: {' '.join(str(error).split()) or type(error).__name__}"
    sender.send(reason)


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
