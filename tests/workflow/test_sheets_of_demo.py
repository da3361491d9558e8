"""Contact sheets of a part of the demo, and what makes them stale."""

import json
import os
import shutil

import numpy as np
import pytest

from tests.workflow.helpers import DEMO, dry_run, edit_yaml, jobs, snakemake

pytestmark = pytest.mark.xdist_group("sheets")  # made once

RESULT = "results/demo/all/k15_mediator_111_th0.9862/sz600_step0.05"
TARGET = f"{RESULT}/contact_sheets/index.html"


@pytest.fixture(scope="module")
def shown(finished, tmp_path_factory):
    """A copy of the finished run with contact sheets of one experiment."""
    folder = shutil.copytree(finished, tmp_path_factory.mktemp("sheets") / "copy")
    snakemake(folder, TARGET)
    return folder


def stale(folder):
    planned, text = dry_run(folder, TARGET)
    assert planned, text
    return jobs(text)


def test_every_clustered_sample_is_in_the_data(shown):
    folder = shown / RESULT / "contact_sheets"
    clusters = np.loadtxt(shown / RESULT / "meta.txt", dtype=int)
    names = (shown / DEMO[1] / "list.txt").read_text().splitlines()
    text = (folder / "data/names.js").read_text()
    listed = json.loads(text.removeprefix("sheets.search(").removesuffix(");\n")).split("\n")
    assert sorted(listed) == sorted(name for name, cluster in zip(names, clusters, strict=True) if cluster >= 0)
    assert "can be read" not in (shown / RESULT / "contact_sheets.log").read_text()
    page = (folder / "index.html").read_text()
    assert "<title>demo, all: mediator_111, k15, th0.9862</title>" in page
    assert "://" not in page
    assert sum(path.stat().st_size for path in folder.rglob("*")) < 10e6


def test_what_makes_them_stale(shown):
    assert stale(shown) == {}
    for file in ("cdp/contact_sheets.py", "cdp/evidence.py", "cdp/contact_sheets.html", f"{DEMO[1]}/list.txt"):
        text = (shown / file).read_text()
        (shown / file).write_text(text + "\nedited = True\n")
        assert stale(shown) == {"contact_sheets": 1}, file
        (shown / file).write_text(text)
    labels = shown / DEMO[1] / "meta.txt"
    text = labels.read_text()
    labels.write_text("1\n" + text[text.index("\n") + 1 :])
    os.utime(labels, (0, 0))
    assert stale(shown)["contact_sheets"] == 1
    labels.write_text(text)
    assert stale(shown) == {}


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (None, "error: data set 'demo' has no images; name their folder or .zip in config/datasets/demo.yaml"),
        ("gone.zip", "error: data/unlabeled/demo/gone.zip is missing; correct `images:` in config/datasets/demo.yaml"),
        (3, "error: config: datasets.demo.images is 3; it must be the folder or the .zip of the samples' images"),
    ],
)
def test_images_that_are_not_there(shown, images, message):
    path = shown / "config/datasets/demo.yaml"
    text = path.read_text()
    edit_yaml(path, lambda entry: entry.pop("images") if images is None else entry.update(images=images))
    planned, said = dry_run(shown, TARGET)
    path.write_text(text)
    assert not planned
    assert message in said
