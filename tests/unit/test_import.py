import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import cdp

ROOT = Path(cdp.__file__).parents[1]
LIBRARY = sorted((ROOT / "cdp").rglob("*.py"))
SCRIPTS = sorted((ROOT / "scripts").glob("*.py"))
HEAVY = ("torch", "faiss", "nmslib", "matplotlib", "snakemake", "sklearn", "numba", "scipy")


def loaded_after(code):
    """Which of the heavy packages a fresh interpreter has loaded."""
    code += f"\nimport sys; print(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def imports(path):
    """(module, name or None) of every import in a file, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (("." * node.level + (node.module or ""), alias.name) for alias in node.names)


def test_files_are_found():
    assert len(LIBRARY) > 15
    assert len(SCRIPTS) > 10


def test_importing_cdp_is_light():
    assert loaded_after("import cdp; dir(cdp)") == set()


def test_a_folder_of_that_name_does_not_hide_the_package(tmp_path):
    (tmp_path / "cdp").mkdir()
    command = [sys.executable, "-c", "import cdp; print(cdp.CDP.__module__)"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("cdp.estimator\n", "")


def test_what_computes_little_needs_no_compiler():
    """Compiled code costs a third of a second of start-up, which counts in many short jobs."""
    modules = ("candidates", "dataset", "ground_truth", "labels", "metrics", "table", "threads", "voting")
    assert loaded_after(f"import {', '.join(f'cdp.{module}' for module in modules)}") == set()


def test_importing_cdp_leaves_the_functions_light():
    code = "from cdp import candidate_pairs, evaluate, knn_graph, propagate, vote, affinity, sweep"
    assert loaded_after(code) <= {"numba", "scipy"}
    assert "sklearn" in loaded_after("from cdp import CDP")


@pytest.mark.parametrize("name", cdp.__all__)
def test_every_public_name_resolves_to_what_its_module_defines(name):
    home = import_module(f"cdp.{cdp._HOMES[name]}")
    assert getattr(cdp, name) is getattr(home, name)
    assert getattr(cdp, name).__module__ == home.__name__
    assert getattr(cdp, name).__doc__


def test_public_names_are_those_of_the_design():
    design = {"knn_graph", "candidate_pairs", "affinity", "vote", "Mediator", "propagate", "evaluate", "CDP"}
    assert design | {"Neighbors", "CandidatePairs"} <= set(cdp.__all__)
    assert dir(cdp) == list(cdp.__all__)


def test_type_checkers_see_the_same_names():
    seen = {name: module for module, name in imports(ROOT / "cdp" / "__init__.py") if module.startswith("cdp.")}
    assert seen == {name: f"cdp.{home}" for name, home in cdp._HOMES.items()}


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'cdp' has no attribute 'nonsense'"):
        cdp.nonsense  # noqa: B018


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: str(path.relative_to(ROOT)))
def test_library_does_not_know_the_workflow(path):
    assert not [module for module, _ in imports(path) if module.split(".")[0] in ("snakemake", "scripts")]


@pytest.mark.parametrize("path", LIBRARY + SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_name_the_defining_module(path):
    """`import cdp` and `from cdp import X` hide from the workflow which files a stage depends on."""
    modules = {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in LIBRARY}
    for module, name in imports(path):
        assert not module.startswith("."), f"{path.name} imports {module} relatively"
        if module.split(".")[0] != "cdp":
            continue
        assert module in modules
        assert module != "cdp", f"{path.name} imports {name or module} from cdp"
        if name is not None:
            thing = getattr(import_module(module), name)
            assert getattr(thing, "__module__", module) == module or f"{module}.{name}" in modules
