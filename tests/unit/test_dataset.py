import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.dataset import check_features, format_labels, read_labels

INT64 = st.integers(-(2**63), 2**63 - 1)


def test_labels_are_read_one_a_line(tmp_path):
    path = tmp_path / "meta.txt"
    for text in ("3\n-1\n3\n", "3\n-1\n3", "3\r\n-1\r\n3\r\n", " 3\n-1 \n+3\n"):
        path.write_bytes(text.encode())
        labels = read_labels(path, n_samples=3)
        assert labels.dtype == np.int64
        assert labels.tolist() == [3, -1, 3]


def test_empty_label_file_has_no_labels(tmp_path):
    (tmp_path / "meta.txt").touch()
    labels = read_labels(tmp_path / "meta.txt")
    assert (labels.dtype, labels.shape) == (np.int64, (0,))


@settings(max_examples=500)
@given(st.lists(INT64, max_size=20))
def test_labels_survive_writing_and_reading(tmp_path_factory, values):
    path = tmp_path_factory.getbasetemp() / "meta.txt"
    text = format_labels(np.array(values, np.int64))
    assert text == "".join(f"{value}\n" for value in values)
    path.write_text(text)
    assert read_labels(path, n_samples=len(values)).tolist() == values


@pytest.mark.parametrize(
    "line", ["", "a", "1_000", "\u0661", "1.0", "1 2", "1,2", "0x10", "nan", str(2**63), str(-(2**63) - 1), "9" * 5000]
)
def test_line_that_is_no_integer_is_named(tmp_path, line):
    (tmp_path / "meta.txt").write_text(f"1\n2\n{line}\n4\nb\n")
    with pytest.raises(ValueError, match=r"meta\.txt: line 3 is .*, not an integer") as caught:
        read_labels(tmp_path / "meta.txt")
    assert f"line 3 is {line[:40]!r}, " in str(caught.value)


@pytest.mark.parametrize("n_samples", [1, 3])
def test_wrong_number_of_labels_is_named(tmp_path, n_samples):
    (tmp_path / "meta.txt").write_text("0\n1\n")
    with pytest.raises(ValueError, match=rf"meta\.txt has 2 lines for {n_samples} samples"):
        read_labels(tmp_path / "meta.txt", n_samples=n_samples)


def test_labels_in_another_encoding_are_refused(tmp_path):
    (tmp_path / "meta.txt").write_bytes("0\n1\n".encode("utf-16"))
    with pytest.raises(ValueError, match=r"meta\.txt is not UTF-8 text \(.* at byte 0\)"):
        read_labels(tmp_path / "meta.txt")


@pytest.fixture
def dataset(tmp_path):
    """Three samples, two models, a list and labels."""
    np.save(tmp_path / "a.npy", np.ones((3, 2)))
    np.ones((3, 4), np.float32).tofile(tmp_path / "b.bin")
    (tmp_path / "list.txt").write_text("one.jpg\nzwei ä.jpg\nthree.jpg\n", encoding="utf-8")
    (tmp_path / "meta.txt").write_text("0\n0\n1\n")
    return tmp_path


def check(dataset, model="b.bin", dim=4, **others):
    files = {"list_path": dataset / "list.txt", "labels_path": dataset / "meta.txt"} | others
    return check_features(dataset / model, dim=dim, **files)


def test_sound_data_sets_are_described(dataset):
    assert check(dataset) == {"samples": 3, "dim": 4}
    assert check(dataset, "a.npy", None, reference=dataset / "b.bin", reference_dim=4) == {"samples": 3, "dim": 2}
    assert check_features(dataset / "a.npy") == {"samples": 3, "dim": 2}


def test_list_and_labels_may_be_missing(dataset):
    (dataset / "list.txt").unlink()
    (dataset / "meta.txt").unlink()
    assert check(dataset) == {"samples": 3, "dim": 4}


def test_models_of_different_numbers_of_samples_are_refused(dataset):
    np.ones((4, 4), np.float32).tofile(dataset / "c.bin")
    with pytest.raises(ValueError, match=r"b\.bin has 3 samples but .*c\.bin has 4"):
        check(dataset, reference=dataset / "c.bin", reference_dim=4)


def test_list_of_another_length_is_refused(dataset):
    (dataset / "list.txt").write_text("one.jpg\ntwo.jpg")
    with pytest.raises(ValueError, match=r"list\.txt has 2 lines .*3 samples"):
        check(dataset)


def test_empty_list_is_refused(dataset):
    (dataset / "list.txt").write_text("")
    with pytest.raises(ValueError, match=r"list\.txt is empty; write one line a sample, or remove it"):
        check(dataset)


def test_list_in_another_encoding_is_refused(dataset):
    (dataset / "list.txt").write_bytes("one\nzwei ä\nthree\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"list\.txt is not UTF-8 text \(.* at byte 9\)"):
        check(dataset)


def test_labels_are_checked(dataset):
    (dataset / "meta.txt").write_text("0\n0\n")
    with pytest.raises(ValueError, match=r"meta\.txt has 2 lines for 3 samples"):
        check(dataset)
    (dataset / "meta.txt").write_text("0\nx\n1\n")
    with pytest.raises(ValueError, match=r"meta\.txt: line 2 is 'x', not an integer"):
        check(dataset)


def test_features_are_checked(dataset):
    with pytest.raises(ValueError, match=r"b\.bin has 48 bytes, which is no multiple of 20"):
        check(dataset, dim=5)
    rows = np.ones((3, 4), np.float32)
    rows[2] = 0
    rows.tofile(dataset / "b.bin")
    with pytest.raises(ValueError, match=r"b\.bin: row 2 \(counted from 0\) is all zeros"):
        check(dataset)
