import numpy as np
import pytest

from cdp.dataset import check_features


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
