"""What cdp.init writes runs as it stands."""

import re
import subprocess
import sys

import numpy as np

from tests.workflow.helpers import DEMO, snakemake


def test_a_slice_of_the_demo(repository, tmp_path):
    """Two models, one of them raw, of 400 samples: declared with one command, then clustered with the one it names."""
    demo = repository / DEMO[1]
    truth = np.loadtxt(demo / "meta.txt", dtype=int)
    rows = np.flatnonzero(np.isin(truth, np.argsort(-np.bincount(truth))[:6]))[:400]
    np.save(tmp_path / "vgg.npy", np.load(demo / "features/vgg.npy")[rows])
    np.load(demo / "features/wide.npy")[rows].astype(np.float32).tofile(tmp_path / "wide.bin")
    names = (demo / "list.txt").read_text().splitlines()
    (tmp_path / "list.txt").write_text("".join(f"{names[row]}\n" for row in rows))
    (tmp_path / "meta.txt").write_text("".join(f"{truth[row]}\n" for row in rows))
    command = [sys.executable, "-m", "cdp.init", "mydata", "--features", tmp_path / "vgg.npy", tmp_path / "wide.bin"]
    command += ["--list", tmp_path / "list.txt", "--labels", tmp_path / "meta.txt"]
    said = subprocess.run(command, cwd=repository, text=True, capture_output=True, check=True).stdout
    *_, last = said.splitlines()
    assert last == "Now run: snakemake results/mydata/report/index.html"
    snakemake(repository, *last.removeprefix("Now run: snakemake ").split())
    table = (repository / "results/mydata/table.md").read_text()
    assert table.startswith(f"# mydata: {len(rows)} samples, 6 identities\n")
    thresholds = re.findall(r"k15 accept[01] th(0\.[0-9]+) auto, no labels", table)
    assert len(thresholds) == 2
    again = subprocess.run(command, cwd=repository, text=True, capture_output=True)
    assert again.returncode == 1
    assert again.stderr.startswith("error: config/datasets/mydata.yaml exists and is left as it is")
