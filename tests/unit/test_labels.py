import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp import labels
from cdp.labels import count_lines, format_labels, read_labels, read_lines

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


def test_labels_are_formatted_in_blocks(monkeypatch):
    monkeypatch.setattr(labels, "_BLOCK", 3)
    for count in range(8):
        assert format_labels(np.arange(count)) == "".join(f"{value}\n" for value in range(count))


@settings(max_examples=300)
@given(st.lists(st.sampled_from(["a", "\n", "\r", "\r\n", "ä", "\x0b", "\u2028"]), max_size=12))
def test_lines_are_counted_as_they_are_read(tmp_path_factory, parts):
    path = tmp_path_factory.getbasetemp() / "list.txt"
    path.write_bytes("".join(parts).encode())
    assert count_lines(path) == len(read_lines(path))


def test_lines_that_are_no_text_are_not_counted(tmp_path):
    (tmp_path / "list.txt").write_bytes(b"a\n" * 100_000 + b"\xff\n")
    with pytest.raises(ValueError, match=r"list\.txt is not UTF-8 text \(.* at byte 200000\)"):
        count_lines(tmp_path / "list.txt")
