import csv
import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.export import (
    read_clusters_csv,
    sample_names,
    training_labels,
    write_clusters_csv,
    write_clusters_jsonl,
    write_training_list,
)

NASTY = [
    'a "quoted", name',
    "comma,comma",
    " leading and trailing ",
    "",
    "ünï/çødé 漢字 🙂",
    "=1+1",
    "tab\tvertical\x0b\u2028",
]
LINES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20)  # what a line of list.txt can be


@st.composite
def clusterings(draw):
    """Names, clusters numbered by first appearance with -1 among them, confidence."""
    names = draw(st.lists(LINES | st.sampled_from(NASTY), min_size=1, max_size=30))
    drawn = draw(st.lists(st.integers(-1, 5), min_size=len(names), max_size=len(names)))
    order = list(dict.fromkeys(cluster for cluster in drawn if cluster >= 0))
    clusters = np.array([order.index(cluster) if cluster >= 0 else -1 for cluster in drawn], np.int64)
    confidence = draw(st.lists(st.floats(0, 1, width=32), min_size=len(names), max_size=len(names)))
    return names, clusters, np.array(confidence, np.float32)


@given(clusterings())
def test_csv_against_a_dictionary_of_clusters(tmp_path_factory, clustering):
    names, clusters, confidence = clustering
    path = tmp_path_factory.mktemp("export") / "clusters.csv"
    write_clusters_csv(path, names, clusters, confidence)
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    sizes = Counter(clusters.tolist()) | {-1: 1}
    assert [row["sample"] for row in rows] == names
    assert [int(row["cluster"]) for row in rows] == clusters.tolist()
    assert [int(row["size"]) for row in rows] == [1 if c < 0 else sizes[c] for c in clusters.tolist()]
    assert [float(row["confidence"]) for row in rows] == pytest.approx(confidence.tolist(), abs=5.1e-5)
    read_names, read_clusters = read_clusters_csv(path)
    assert read_names == names
    assert read_clusters.tolist() == clusters.tolist()


def test_csv_is_quoted_as_rfc_4180_says(tmp_path):
    path = tmp_path / "clusters.csv"
    write_clusters_csv(path, ['say "hi", twice', "plain name"], np.array([0, -1]), np.array([0.5, 0.0]))
    assert path.read_bytes() == (
        b'sample,cluster,size,confidence\r\n"say ""hi"", twice",0,1,0.5000\r\nplain name,-1,1,0.0000\r\n'
    )


@given(clusterings())
def test_jsonl_against_a_dictionary_of_clusters(tmp_path_factory, clustering):
    names, clusters, _ = clustering
    of_clusters = np.linspace(0, 1, clusters.max(initial=-1) + 1)
    path = tmp_path_factory.mktemp("export") / "clusters.jsonl"
    write_clusters_jsonl(path, names, clusters, of_clusters)
    lines = path.read_bytes().decode().split("\n")
    assert lines.pop() == ""
    expected = {}
    for name, cluster in zip(names, clusters.tolist(), strict=True):
        if cluster >= 0:
            expected.setdefault(cluster, []).append(name)
    for cluster, line in enumerate(map(json.loads, lines)):
        assert line["cluster"] == cluster
        assert line["samples"] == expected.pop(cluster)
        assert line["size"] == len(line["samples"])
        assert line["confidence"] == pytest.approx(of_clusters[cluster], abs=1e-4)
    assert not expected


@given(clusterings(), st.integers(1, 4), st.floats(0, 1))
def test_training_labels_against_the_rule_by_hand(clustering, min_size, min_confidence):
    _, clusters, confidence = clustering
    left = [i for i in range(len(clusters)) if clusters[i] >= 0 and confidence[i] >= min_confidence]
    left = [i for i in left if sum(clusters[j] == clusters[i] for j in left) >= min_size]
    if not left:
        with pytest.raises(ValueError, match=f"no sample is left to train on with min_size {min_size} and"):
            training_labels(clusters, confidence, min_size=min_size, min_confidence=min_confidence)
        return
    numbers = {}
    expected = [-1] * len(clusters)
    for i in left:
        expected[i] = numbers.setdefault(clusters[i], len(numbers))
    found = training_labels(clusters, confidence, min_size=min_size, min_confidence=min_confidence)
    assert found.tolist() == expected


def test_training_list_keeps_names_with_spaces_apart_from_labels(tmp_path):
    path = tmp_path / "training_list.txt"
    write_training_list(path, ["a b.jpg", "left out", " ü "], np.array([1, -1, 0]))
    assert [line.rsplit(" ", 1) for line in path.read_text(encoding="utf-8").split("\n")[:-1]] == [
        ["a b.jpg", "1"],
        [" ü ", "0"],
    ]


def test_without_a_list_samples_are_named_by_row():
    assert sample_names(None, 3) == ["0", "1", "2"]


def test_a_list_of_another_length_is_refused(tmp_path):
    (tmp_path / "list.txt").write_text("a\nb\n")
    with pytest.raises(ValueError, match="list.txt has 2 lines for 3 samples"):
        sample_names(tmp_path / "list.txt", 3)


@pytest.mark.parametrize(
    "content",
    ["", "a,b\n", *(f"sample,cluster,size,confidence\r\nx,{cluster},1,0\r\n" for cluster in ("one", "9" * 30)), "\xff"],
)
def test_another_csv_is_refused(tmp_path, content):
    (tmp_path / "clusters.csv").write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match="clusters.csv is no clusters.csv"):
        read_clusters_csv(tmp_path / "clusters.csv")
