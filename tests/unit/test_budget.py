import faulthandler
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from cdp.budget import run_within


def test_work_within_its_budget_ends_well(tmp_path):
    assert run_within(lambda: (tmp_path / "out").write_text("done") and None, seconds=60, megabytes=2000) is None
    assert (tmp_path / "out").read_text() == "done"


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
@pytest.mark.parametrize("megabytes", [1500, 2000])
def test_too_much_memory_is_told(megabytes):
    def work():
        np.ones(400_000_000)

    assert run_within(work, seconds=60, megabytes=megabytes) == f"out of memory ({megabytes / 1000:g} GB)"


def test_injected_memory_error_is_told():
    def work():
        raise MemoryError

    assert run_within(work, seconds=60, megabytes=24000) == "out of memory (24 GB)"


@pytest.mark.parametrize(("seconds", "text"), [(0.5, "over 0.5 s"), (1, "over 1 s")])
def test_too_much_time_is_told_and_the_process_ended(tmp_path, seconds, text):
    def work():
        (tmp_path / "pid").write_text(str(os.getpid()))
        time.sleep(600)

    assert run_within(work, seconds=seconds, megabytes=2000) == text
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL", "SIGABRT"])
def test_crash_is_told(name):
    def work():
        faulthandler.disable()  # pytest's would print the stack
        os.kill(os.getpid(), signal.Signals[name])

    assert run_within(work, seconds=60, megabytes=2000) == f"killed ({name})"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("n_clusters is 7,\n  but there are 5 samples"), "failed: n_clusters is 7, but there are 5 samples"),
        (RuntimeError("std::bad_alloc"), "out of memory (2 GB)"),
        (RuntimeError("can't start new thread"), "out of memory (2 GB)"),
        (KeyError(), "failed: KeyError"),
    ],
)
def test_error_is_told(error, text):
    def work():
        raise error

    assert run_within(work, seconds=60, megabytes=2000) == text


@pytest.mark.parametrize(("leave", "code"), [(os._exit, 0), (os._exit, 1), (sys.exit, 3)])
def test_leaving_without_a_word_is_told(leave, code):
    outcome = run_within(lambda: leave(code), seconds=60, megabytes=2000)
    assert outcome == f"ended without a result (exit code {code})"


@pytest.mark.parametrize(
    ("seconds", "text"), [(7200, "2 h"), (5400, "90 min"), (90, "90 s"), (60, "1 min"), (0.25, "0.25 s")]
)
def test_durations(monkeypatch, seconds, text):
    monkeypatch.setattr("multiprocessing.connection.Connection.poll", lambda self, timeout: False)
    assert run_within(lambda: time.sleep(60), seconds=seconds, megabytes=2000) == f"over {text}"


@pytest.mark.skipif(sys.platform != "linux", reason="processes are tied together on Linux only")
def test_work_ends_with_the_process_that_wants_it(tmp_path):
    program = f"""
import os, time
from cdp.budget import run_within
def work():
    open({str(tmp_path / "pid")!r}, "w").write(str(os.getpid()))
    time.sleep(600)
run_within(work, seconds=600, megabytes=2000)
"""
    parent = subprocess.Popen([sys.executable, "-c", program])
    pid = tmp_path / "pid"
    for _ in range(600):
        if pid.exists() and pid.read_text():
            break
        time.sleep(0.1)
    parent.kill()
    parent.wait()
    for _ in range(100):
        try:
            os.kill(int(pid.read_text()), 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("the work goes on")
