import csv
import os
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.features import load_features
from cdp.files import (
    atomic_path,
    load_array,
    load_arrays,
    map_array,
    map_arrays,
    read_csv,
    read_json,
    release,
    save_array,
    save_arrays,
    save_blocks,
    save_blocks_of_arrays,
    write_csv,
    write_text,
)
from cdp.labels import read_labels

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


def flipped(path, bit):
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.unlink()  # or the file system has each on the disk before the next
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("write", "read"),
    [
        (lambda path: save_array(path, IDX), load_array),
        (lambda path: save_array(path, np.float32([[0.25]])), load_array),
        (lambda path: write_text(path, "3\n-1\n3\n"), read_labels),
        (lambda path: write_text(path, '{"recall": 0.9912}\n'), read_json),
        (lambda path: write_csv(path, [{"recall": 0.9912}]), read_csv),
    ],
)
def test_every_flipped_bit_is_found(tmp_path, write, read):
    path = tmp_path / "stage"
    write(path)
    read(path)
    for bit in range(8 * path.stat().st_size):
        flipped(path, bit)
        with pytest.raises(ValueError, match=r"stage is damaged \(its checksum.*delete it and run again"):
            read(path)
        flipped(path, bit)
    read(path)


def test_every_flipped_bit_of_an_archive_is_found_or_means_the_same(tmp_path):
    path = tmp_path / "x.npz"
    save_arrays(path, idx=IDX)
    found = 0
    for bit in range(0, 8 * path.stat().st_size, 3):
        flipped(path, bit)
        try:
            np.testing.assert_array_equal(load_arrays(path, "idx")[0], IDX, strict=True)
        except ValueError as error:
            found += 1
            assert str(error).startswith(f"{path} is damaged (")  # noqa: PT017
        flipped(path, bit)
    assert found > 8 * IDX.nbytes / 3


def test_files_without_a_checksum_are_read(tmp_path):
    """Those of users, and those whose checksum a power loss has emptied."""
    (tmp_path / "meta.txt").write_text("1\n2\n")
    assert read_labels(tmp_path / "meta.txt").tolist() == [1, 2]
    (tmp_path / ".meta.txt.crc32").touch()
    assert read_labels(tmp_path / "meta.txt").tolist() == [1, 2]


def test_data_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    done = []
    monkeypatch.setattr(os, "fsync", lambda file: done.append(Path(os.readlink(f"/proc/self/fd/{file}")).name))
    monkeypatch.setattr(os, "replace", lambda old, new, replace=os.replace: done.append("replace") or replace(old, new))
    save_arrays(tmp_path / "x.npz", idx=IDX)
    assert done == [".x.npz.tmp", "replace", tmp_path.name]


@pytest.mark.parametrize(
    "write",
    [
        lambda path: save_array(path, np.zeros(2**20)),
        lambda path: save_arrays(path, zeros=np.zeros(2**20)),
        lambda path: save_blocks(path, iter([np.zeros((2**10, 2**10))]), shape=(2**10, 2**10)),
        lambda path: write_text(path, "0" * 2**20),
        lambda path: write_csv(path, [{"a": "0" * 2**20}]),
    ],
)
def test_full_disk_is_told_in_one_sentence(tmp_path, write, monkeypatch):
    """/dev/full is a disk without any room."""
    path = tmp_path / "x"
    path.write_text("old")
    monkeypatch.setattr(Path, "with_name", lambda self, name, old=Path.with_name: linked(old(self, name)))

    def linked(temporary):
        if temporary.suffix == ".tmp":
            temporary.symlink_to("/dev/full")
        return temporary

    with pytest.raises(OSError, match=r"^no room left on the disk to write .*x; make room and run again$"):
        write(path)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["x"]


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
    assert names(tmp_path) == [".x.npy.crc32", "x.npy"]
    expected = np.repeat(np.float16([4, 4, 1]), [4, 4, 1])[:, None].repeat(3, 1)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), expected, strict=True)


def test_csv_is_read_as_it_was_written(tmp_path):
    rows = [{"name": 'a, "b"\n', "value": 0.1}, {"name": "ü", "value": None}]
    write_csv(tmp_path / "a.csv", rows)
    assert read_csv(tmp_path / "a.csv") == [{"name": 'a, "b"\n', "value": "0.1"}, {"name": "ü", "value": None}]
    for content in (b"name,value\nx,0.1\n", b"name\n\xff\n"):
        (tmp_path / "a.csv").write_bytes(content)
        with pytest.raises(ValueError, match=r"a\.csv is damaged"):
            read_csv(tmp_path / "a.csv")
    (tmp_path / ".a.csv.crc32").unlink()
    with pytest.raises(ValueError, match=r"a\.csv is damaged"):
        read_csv(tmp_path / "a.csv")


@pytest.mark.parametrize("name", ["m.npy", "m.bin"])
def test_released_features_can_be_read_again(tmp_path, name):
    stored = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.save(tmp_path / "m.npy", stored)
    stored.tofile(tmp_path / "m.bin")
    features = load_features(tmp_path / name, dim=3)
    release(features)
    np.testing.assert_array_equal(features, stored)


@pytest.mark.parametrize("mode", ["c", "r+"])
def test_changed_features_are_not_released(tmp_path, mode):
    np.save(tmp_path / "m.npy", np.ones((4, 3), np.float32))
    features = np.load(tmp_path / "m.npy", mmap_mode=mode)
    features[0] = 2
    release(features)
    release(np.ones((2, 2)))
    assert features[0].tolist() == [2, 2, 2]


ARRAYS = {
    "pairs": np.arange(14, dtype=np.int32).reshape(7, 2),
    "votes": np.arange(7, dtype=np.uint8),
    "relationship": np.empty((7, 0), np.uint8),
    "fortran": np.asfortranarray(np.arange(21, dtype=np.float32).reshape(7, 3)),
    "n_samples": np.array(4, np.int64),
}


def test_mapped_arrays_are_those_that_were_written(tmp_path):
    save_arrays(tmp_path / "x.npz", **ARRAYS)
    for found, written in zip(map_arrays(tmp_path / "x.npz", *ARRAYS), ARRAYS.values(), strict=True):
        np.testing.assert_array_equal(found, written, strict=True)
        release(found)
        np.testing.assert_array_equal(found, written, strict=True)
    save_array(tmp_path / "x.npy", ARRAYS["pairs"])
    mapped = map_array(tmp_path / "x.npy")
    np.testing.assert_array_equal(mapped, ARRAYS["pairs"], strict=True)
    with pytest.raises(ValueError, match="read-only"):
        mapped[0] = 0


def test_damaged_files_are_not_mapped(tmp_path):
    path = tmp_path / "x.npz"
    save_arrays(path, idx=IDX, dist=DIST)
    whole = path.read_bytes()

    def load():
        for found, written in zip(map_arrays(path, "idx", "dist"), (IDX, DIST), strict=True):
            np.testing.assert_array_equal(found, written)

    cut = [whole[:length] for length in range(0, len(whole), 3)]
    assert refusals(path, load, cut) == len(cut)
    changed = [whole[:i] + bytes([whole[i] ^ 0xFF]) + whole[i + 1 :] for i in range(len(whole))]
    assert refusals(path, load, changed) > len(whole) / 2
    np.savez_compressed(path, idx=np.zeros(3, np.int8))
    with pytest.raises(ValueError, match="damaged"):
        map_arrays(path, "idx")


def test_a_block_is_let_go_before_the_next_is_made(tmp_path):
    def blocks(wrap):
        for _ in range(4):
            rows = np.ones((3, 2))
            last = weakref.ref(rows)
            yield wrap(rows)
            del rows
            assert last() is None

    save_blocks(tmp_path / "x.npy", blocks(lambda rows: rows), shape=(12, 2))
    save_blocks_of_arrays(tmp_path / "x.npz", blocks(lambda rows: {"rows": rows}))
    for found in (load_array(tmp_path / "x.npy"), *load_arrays(tmp_path / "x.npz", "rows")):
        np.testing.assert_array_equal(found, np.ones((12, 2)), strict=True)


@pytest.mark.parametrize("cuts", [[7], [2, 5], [3, 0, 4], [1] * 7])
def test_arrays_in_blocks_make_the_same_file(tmp_path, cuts):
    parts = {key: ARRAYS[key] for key in ("pairs", "votes", "relationship")}
    ends = np.cumsum(cuts)
    blocks = ({key: part[end - cut : end] for key, part in parts.items()} for cut, end in zip(cuts, ends, strict=True))
    save_blocks_of_arrays(tmp_path / "blocks.npz", blocks, n_samples=np.int64(4))
    save_arrays(tmp_path / "whole.npz", n_samples=np.int64(4), **parts)
    assert (tmp_path / "blocks.npz").read_bytes() == (tmp_path / "whole.npz").read_bytes()
    assert names(tmp_path) == ["blocks.npz", "whole.npz"]
    save_blocks(tmp_path / "blocks.npy", iter([parts["pairs"][:3], parts["pairs"][3:]]), shape=(7, 2))
    save_array(tmp_path / "whole.npy", parts["pairs"])
    assert (tmp_path / "blocks.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
