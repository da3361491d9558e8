import os
import subprocess
import sys
import time

import numpy as np
import pytest

from cdp.jit import njit

MODULE = """from cdp.jit import njit
@njit
def total(values):
    return values.sum()
"""
AT_ONCE = """import sys, time
import numpy as np
from numba.core.caching import IndexDataCacheFile
from module import total
save = IndexDataCacheFile._save_index
def slowly(self, overloads):
    time.sleep(1)
    save(self, overloads)
IndexDataCacheFile._save_index = slowly
values = np.arange(8).astype(sys.argv[1])
time.sleep(max(0, float(sys.argv[2]) - time.time()))
total(values)
"""
LATER = """import sys
import numpy as np
from module import total
print(total(np.arange(8).astype(sys.argv[1])), sum(total.stats.cache_hits.values()))
"""
TYPES = ("float32", "int64", "uint8")


@pytest.fixture
def start(tmp_path):
    """Starts Python with some code and arguments, in a folder with the module; its output is the answer."""
    (tmp_path / "module.py").write_text(MODULE)
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def started(code, *arguments):
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True)

    return started


def test_what_processes_compile_at_once_is_all_kept(start):
    soon = str(time.time() + 3)
    for process in [start(AT_ONCE, kind, soon) for kind in TYPES]:
        assert process.wait() == 0
    for kind in TYPES:
        assert start(LATER, kind).communicate()[0].split() == [f"{np.arange(8).astype(kind).sum()}", "1"]


def test_it_is_kept_where_nothing_can_be_locked(tmp_path, start):
    (tmp_path / "__pycache__" / "saving.lock").mkdir(parents=True)
    for kept in "01":
        assert start(LATER, "int64").communicate()[0].split() == ["28", kept]


def test_numbers_may_be_reordered_where_that_is_allowed():
    @njit(fastmath=True)
    def total(values):
        sum_of_all = np.float32(0)
        for value in values:
            sum_of_all += value
        return sum_of_all

    assert total.targetoptions["fastmath"]
    assert total.targetoptions["nogil"]
    assert total(np.ones(100, np.float32)) == 100
