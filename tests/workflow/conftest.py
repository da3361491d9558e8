"""A copy of the repository to work in, and one finished run of the demo that tests share."""

import os
import shutil

import pytest
from filelock import FileLock

from tests.workflow.helpers import DEMO, copy_repository, edit_yaml, snakemake


def pytest_collection_modifyitems(items):
    """The many short tests of test_staleness.py come last, where they keep all workers busy to the end."""
    items.sort(key=lambda item: item.path.name == "test_staleness.py")


@pytest.fixture
def repository(tmp_path):
    """A fresh copy of the repository with the demo's data, without results."""
    return copy_repository(tmp_path / "repository", data=DEMO)


@pytest.fixture
def code(tmp_path):
    """A fresh copy of the repository without any data."""
    return copy_repository(tmp_path / "code")


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A copy in which tables, sweeps and label weights of the demo are made; not to be changed."""
    shared = (
        tmp_path_factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else tmp_path_factory.getbasetemp()
    )
    folder = shared / "finished"
    with FileLock(f"{folder}.lock"):
        if not (folder / "finished").exists():
            shutil.rmtree(folder, ignore_errors=True)
            copy_repository(folder, data=DEMO)
            edit_yaml(folder / "config/config.yaml", lambda config: config["soft_propagation"].update(enabled=True))
            snakemake(folder, "tables", "sweeps", "results/demo/cdp.md")
            (folder / "finished").touch()
    return folder


@pytest.fixture
def finished_copy(finished, tmp_path):
    """A copy of the finished run, to be changed at will."""
    return shutil.copytree(finished, tmp_path / "finished_copy")
