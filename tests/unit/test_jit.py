from functools import partial

import numpy as np
import pytest

from cdp.jit import njit
from tests.unit.processes import printed

MODULE = """from cdp.jit import njit
@njit
def total(values):
    return values.sum()
"""
CALL = """import sys
import numpy as np
from module import total
print(total(np.arange(8).astype(sys.argv[1])))
"""
# Another process saved its code after this one had looked at what there is; this one may be killed before it has saved.
AT_ONCE = "from numba.core.caching import IndexDataCacheFile\nIndexDataCacheFile._load_index = lambda self: {}\n" + CALL
KILLED = "import os\nfrom numba.core.caching import IndexDataCacheFile\n" + (
    "IndexDataCacheFile._save_data = lambda *arguments: os._exit(0)\n" + AT_ONCE
)


@pytest.fixture
def run(tmp_path):
    """Runs some code with an argument, in a folder with the module; gives what it prints."""
    (tmp_path / "module.py").write_text(MODULE)
    return partial(printed, tmp_path)


def test_code_is_kept(tmp_path, run):
    assert run(CALL, "int64") == "28\n"
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "__pycache__").glob("*.nb[ci]")}
    assert len(kept) == 2
    assert run(CALL, "int64") == "28\n"
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "__pycache__").glob("*.nb[ci]")} == kept


@pytest.mark.parametrize(("code", "expected"), [(AT_ONCE, "28\n"), (KILLED, "")], ids=["saved", "killed"])
def test_code_of_processes_that_compile_at_once_is_not_mixed_up(run, code, expected):
    assert run(CALL, "float32") == "28.0\n"
    assert run(code, "int64") == expected
    for _ in range(2):
        assert run(CALL, "int64") == "28\n"
        assert run(CALL, "float32") == "28.0\n"


def test_options_are_those_asked_for():
    def total(values):
        return values.sum()

    flags = {"reassoc", "contract"}
    for compiled, fastmath in (
        (njit(total), False),
        (njit(fastmath=True)(total), True),
        (njit(fastmath=flags)(total), flags),
    ):
        assert compiled.targetoptions["fastmath"] == fastmath
        assert compiled.targetoptions["nogil"]
        assert compiled(np.ones(100, np.float32)) == 100
