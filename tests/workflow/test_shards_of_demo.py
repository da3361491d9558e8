"""kNN graphs and pair features of the demo in shards."""

import os

from cdp.knn import cells
from tests.workflow.helpers import DEMO, copy_repository, dry_run, edit_yaml, jobs, snakemake

FILES = [f"results/demo/{name}" for name in ("knn/mobilenet_k15.npz", "knn/mobilenet_k15.json")]
FILES += [f"results/demo/single/k15/{name}" for name in ("pairs.npz", "affinity.npy")]
ROUNDS = cells.ROUNDS + 1


def set_knn(folder, **values):
    edit_yaml(folder / "config/config.yaml", lambda config: config["knn"].update(values))


def test_shards_make_the_same_bytes(repository, tmp_path):
    set_knn(repository, backend="cells", recall=0.999)
    whole = copy_repository(tmp_path / "whole", data=DEMO)
    set_knn(whole, backend="cells", recall=0.999)
    set_knn(repository, shards=2)
    for folder in (whole, repository):
        snakemake(folder, "--cores", "2", *FILES)
    for file in FILES:
        assert (repository / file).read_bytes() == (whole / file).read_bytes(), file
    made = {path.suffix for path in repository.glob("results/demo/**/*_shards/*") if path.name[0] != "."}
    assert made == {".jsonl", ".log"}  # what shards hand to each other is gone
    assert "Nothing to be done" in dry_run(repository, *FILES)[1]

    pairs = {"pairs_shard": 2, "pairs_merge": 1, "affinity_shard": 2, "affinity_merge": 1}
    everything = {"knn_prepare": 1, "knn_round": 2 * ROUNDS, "knn_merge": 1} | pairs
    for script, to_do in (("pairs", pairs), ("knn_round", everything)):  # whose outputs are gone
        edited = repository / f"scripts/{script}.py"
        code = edited.read_text()
        edited.write_text(code + "EDITED = True\n")
        assert jobs(dry_run(repository, *FILES)[1]) == to_do
        edited.write_text(code)
        os.utime(edited, (0, 0))
    assert "Nothing to be done" in dry_run(repository, *FILES)[1]

    set_knn(repository, recall=0.99)
    assert jobs(dry_run(repository, *FILES)[1]) == everything
