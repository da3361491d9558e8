"""What README promises."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_examples_run_and_are_right(capsys):
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 3
    scope = {}
    for block in blocks:
        exec(block, scope)
    assert float(capsys.readouterr().out) > 0.95
    assert scope["model"].labels_.shape == (1000,)


def test_files_that_are_named_exist():
    for path in re.findall(r"\]\(([^)h][^)]*)\)", README):
        assert (ROOT / path).exists(), path


def test_nothing_in_git_names_a_path_of_the_authors():
    assert not re.search(r"/(home|root|tmp)/", README)
