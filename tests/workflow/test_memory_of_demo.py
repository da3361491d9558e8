"""What stages make within little memory, block by block, is what they make at once."""

from tests.workflow.helpers import snakemake

FOLDER = "results/demo/all/k15"
LEAST_MB = {"pairs": 302, "affinity": 301, "score_pairs": 601}  # a tenth of the edges, pairs and rows at a time
FILES = {"pairs": "pairs.npz", "affinity": "affinity.npy", "score_pairs": "scores_mediator_111.npy"}


def test_blocks_make_the_same_files(finished_copy):
    paths = [finished_copy / FOLDER / file for file in FILES.values()]
    before = [path.read_bytes() for path in paths]
    for path in paths:
        path.unlink()
    limits = [f"{rule}:mem_mb={mb}" for rule, mb in LEAST_MB.items()]
    snakemake(finished_copy, f"{FOLDER}/{FILES['score_pairs']}", "--cores", "2", "--set-resources", *limits)
    assert [path.read_bytes() for path in paths] == before


def test_a_job_that_cannot_do_with_its_memory_says_so(finished_copy):
    (finished_copy / FOLDER / FILES["affinity"]).unlink()
    target = f"{FOLDER}/{FILES['affinity']}"
    done = snakemake(finished_copy, target, "--cores", "2", "--set-resources", "affinity:mem_mb=300", check=False)
    assert done.returncode != 0
    assert "error: the job has 300 MB of memory (mem_mb), but takes at least 300; give it more" in done.stdout
