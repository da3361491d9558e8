import os
import subprocess
import sys

from cdp.compiled import discard_stale

INNER = "import numba\n@numba.njit(cache=True)\ndef number():\n    return {}\n"
OUTER = (
    "import numba\nfrom package.inner import number\n@numba.njit(cache=True)\ndef twice():\n    return 2 * number()\n"
)


def answer(folder):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA")}
    command = [sys.executable, "-c", "from package.outer import twice; print(twice())"]
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return int(done.stdout)


def test_compiled_code_is_that_of_the_files(tmp_path):
    package = tmp_path / "package"
    package.mkdir()
    (package / "outer.py").write_text(OUTER)
    (package / "inner.py").write_text(INNER.format(1))
    discard_stale(package)
    assert answer(tmp_path) == 2
    (package / "inner.py").write_text(INNER.format(21))
    assert answer(tmp_path) == 2  # numba looks at the outer file only, else cdp.compiled would not be needed
    discard_stale(package)
    assert answer(tmp_path) == 42
    kept = {path.name: path.stat().st_mtime_ns for path in package.rglob("*.nb[ci]")}
    assert kept
    discard_stale(package)
    assert kept == {path.name: path.stat().st_mtime_ns for path in package.rglob("*.nb[ci]")}


def test_a_package_that_cannot_be_written_to_is_left_alone(tmp_path, monkeypatch):
    (tmp_path / "module.py").write_text("")
    monkeypatch.setattr(type(tmp_path), "mkdir", refuse)
    discard_stale(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"module.py"}


def test_an_editor_s_lock_does_no_harm(tmp_path):
    (tmp_path / "module.py").write_text("")
    (tmp_path / ".#module.py").symlink_to("nowhere")
    discard_stale(tmp_path)
    assert (tmp_path / "__pycache__" / "compiled_from").exists()


def refuse(*arguments, **options):
    raise PermissionError
