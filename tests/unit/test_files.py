import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.files import (
    atomic_path,
    load_array,
    load_arrays,
    read_csv,
    save_array,
    save_arrays,
    save_blocks,
    write_csv,
    write_text,
)

IDX = np.arange(12, dtype=np.int32).reshape(4, 3)
DIST = np.array([0, 0.5, np.inf], np.float32)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_file_appears_whole_when_the_block_ends(tmp_path):
    path = tmp_path / "deep" / "er" / "x.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "new"
    assert names(path.parent) == ["x.txt"]


def test_old_file_stays_until_the_block_ends(tmp_path):
    path = tmp_path / "x.txt"
    path.write_text("old")
    with atomic_path(str(path)) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_error_in_the_block_leaves_things_as_they_were(tmp_path, error):
    path = tmp_path / "x.txt"
    path.write_text("old")

    def interrupted():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        interrupted()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x.txt"]


@pytest.mark.parametrize(
    "write",
    [
        lambda path: save_arrays(path, idx=IDX, refused=np.array([{}])),
        lambda path: save_array(path, np.array([{}])),
        lambda path: write_text(path, "half \ud800"),
        lambda path: write_csv(path, [{"a": 1}, {"b": 2}]),
    ],
)
def test_writing_what_cannot_be_written_leaves_the_old_file(tmp_path, write):
    (tmp_path / "x").write_text("old")
    with pytest.raises(ValueError, match="pickle|surrogates|fieldnames"):
        write(tmp_path / "x")
    assert (tmp_path / "x").read_text() == "old"
    assert names(tmp_path) == ["x"]


def test_arrays_survive_writing_and_reading(tmp_path):
    save_arrays(tmp_path / "x.npz", idx=IDX, dist=DIST, n_samples=np.int64(4))
    dist, n_samples, idx = load_arrays(tmp_path / "x.npz", "dist", "n_samples", "idx")
    np.testing.assert_array_equal(idx, IDX)
    np.testing.assert_array_equal(dist, DIST)
    assert (idx.dtype, dist.dtype, int(n_samples)) == (np.int32, np.float32, 4)
    assert names(tmp_path) == ["x.npz"]


@settings(max_examples=200)
@given(
    st.integers(0, 2**32 - 1),
    st.lists(st.integers(0, 4), max_size=3),
    st.sampled_from([bool, np.uint8, np.int64, np.float32]),
)
def test_one_array_survives_writing_and_reading(tmp_path_factory, seed, shape, dtype):
    path = tmp_path_factory.getbasetemp() / "x.npy"
    array = np.random.default_rng(seed).integers(0, 2, shape).astype(dtype)
    save_array(path, array)
    found = load_array(path)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(found, array)


def test_text_is_utf8(tmp_path):
    write_text(tmp_path / "x.txt", "zwei ä\n")
    assert (tmp_path / "x.txt").read_bytes() == b"zwei \xc3\xa4\n"


def test_csv_has_a_header_and_no_empty_figures(tmp_path):
    path = tmp_path / "x.csv"
    write_csv(path, [{"threshold": 0.5, "note": 'a, "b"', "nmi": None}, {"threshold": 0, "note": "ä", "nmi": 1.25}])
    assert path.read_bytes().decode() == 'threshold,note,nmi\n0.5,"a, ""b""",n/a\n0,ä,1.25\n'
    with open(path, encoding="utf-8", newline="") as file:
        assert [row["note"] for row in csv.DictReader(file)] == ['a, "b"', "ä"]


def test_csv_of_no_rows(tmp_path):
    write_csv(tmp_path / "x.csv", [])
    assert (tmp_path / "x.csv").read_text().strip() == ""


def refusals(path, load, damaged_files):
    """How often loading was refused with a sentence that names the file; no other error is let through."""
    count = 0
    for content in damaged_files:
        path.write_bytes(content)
        try:
            load()
        except ValueError as error:
            assert str(error).startswith(f"{path} is damaged (")  # noqa: PT017
            assert "delete it and run again" in str(error)  # noqa: PT017
            count += 1
    return count


def test_truncated_archive_is_named(tmp_path):
    path = tmp_path / "x.npz"
    save_arrays(path, idx=IDX, dist=DIST)
    whole = path.read_bytes()
    cut = [whole[:length] for length in range(0, len(whole), 3)]
    assert refusals(path, lambda: load_arrays(path, "idx", "dist"), cut) == len(cut)


def test_truncated_array_is_named(tmp_path):
    path = tmp_path / "x.npy"
    save_array(path, IDX)
    whole = path.read_bytes()
    cut = [whole[:length] for length in range(len(whole))]
    assert refusals(path, lambda: load_array(path), cut) == len(cut)


def test_archive_with_a_changed_byte_is_named_or_means_the_same(tmp_path):
    path = tmp_path / "x.npz"
    save_arrays(path, idx=IDX, dist=DIST)
    whole = path.read_bytes()

    def load():
        idx, dist = load_arrays(path, "idx", "dist")
        np.testing.assert_array_equal(idx, IDX)
        np.testing.assert_array_equal(dist, DIST)

    changed = [whole[:i] + bytes([whole[i] ^ 0xFF]) + whole[i + 1 :] for i in range(len(whole))]
    assert refusals(path, load, changed) > len(whole) / 2


@pytest.mark.parametrize("content", [b"hello\n", b"", b"\x93NUMPY", b"PK\x03\x04 no archive"])
def test_other_content_in_place_of_an_archive_is_named(tmp_path, content):
    assert refusals(tmp_path / "x.npz", lambda: load_arrays(tmp_path / "x.npz", "idx"), [content]) == 1


@pytest.mark.parametrize("content", [b"hello\n", b"", b"\x93NUMPY", b"PK\x03\x04 no archive"])
def test_other_content_in_place_of_an_array_is_named(tmp_path, content):
    assert refusals(tmp_path / "x.npy", lambda: load_array(tmp_path / "x.npy"), [content]) == 1


def test_missing_array_is_named(tmp_path):
    save_arrays(tmp_path / "x.npz", idx=IDX)
    with pytest.raises(ValueError, match=r"x\.npz is damaged \(.*dist.*\)"):
        load_arrays(tmp_path / "x.npz", "idx", "dist")


def test_array_in_place_of_an_archive_is_named(tmp_path):
    save_array(tmp_path / "x.npz", IDX)
    with pytest.raises(ValueError, match=r"x\.npz is damaged"):
        load_arrays(tmp_path / "x.npz", "idx")


def test_archive_in_place_of_an_array_is_named(tmp_path):
    save_arrays(tmp_path / "x.npy", idx=IDX)
    with pytest.raises(ValueError, match=r"x\.npy is damaged"):
        load_array(tmp_path / "x.npy")


def test_arrays_of_python_objects_are_not_loaded(tmp_path):
    np.savez(tmp_path / "x.npz", idx=np.array([{}], object))
    with pytest.raises(ValueError, match=r"x\.npz is damaged"):
        load_arrays(tmp_path / "x.npz", "idx")
    np.save(tmp_path / "x.npy", np.array([{}], object))
    with pytest.raises(ValueError, match=r"x\.npy is damaged"):
        load_array(tmp_path / "x.npy")


def test_missing_file_is_named(tmp_path):
    for load in (lambda path: load_arrays(path, "idx"), load_array):
        with pytest.raises(FileNotFoundError, match=r"none\.npz"):
            load(tmp_path / "none.npz")


def test_blocks_become_one_array(tmp_path):
    blocks = (np.full((rows, 3), rows, np.float16) for rows in (4, 4, 1))
    save_blocks(tmp_path / "x.npy", blocks, shape=(9, 3))
    assert names(tmp_path) == ["x.npy"]
    expected = np.repeat(np.float16([4, 4, 1]), [4, 4, 1])[:, None].repeat(3, 1)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), expected, strict=True)


def test_csv_is_read_as_it_was_written(tmp_path):
    rows = [{"name": 'a, "b"\n', "value": 0.1}, {"name": "ü", "value": None}]
    write_csv(tmp_path / "a.csv", rows)
    assert read_csv(tmp_path / "a.csv") == [{"name": 'a, "b"\n', "value": "0.1"}, {"name": "ü", "value": None}]
    (tmp_path / "a.csv").write_bytes(b"name\n\xff\n")
    with pytest.raises(ValueError, match=r"a\.csv is damaged"):
        read_csv(tmp_path / "a.csv")
