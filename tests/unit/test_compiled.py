from cdp.compiled import discard_stale
from tests.unit.processes import printed

INNER = "import numba\n@numba.njit(cache=True)\ndef number():\n    return {}\n"
OUTER = (
    "import numba\nfrom package.inner import number\n@numba.njit(cache=True)\ndef twice():\n    return 2 * number()\n"
)


def answer(folder):
    return int(printed(folder, "from package.outer import twice; print(twice())"))


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
