import struct
import zipfile

import pytest

from cdp import images
from cdp.images import open_images


def test_a_folder_and_a_zip_find_and_read_the_same(tmp_path):
    files = {"a.png": b"a", "sub/ü 1.webp": b"b", "exact": b"c", "exact.png": b"d"}
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
            (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "images" / name).write_bytes(content)
    for source in ("images", "images.zip"):
        with open_images(tmp_path / source) as opened:
            names = ("a", "a.png", "sub/ü 1", "exact", "b", "", "sub", "sub/", "nul\0", 300 * "x")
            found = [opened.find(name) for name in names]
            assert [None if name is None else opened.read(name) for name in found] == [
                b"a", b"a", b"b", b"c", None, None, None, None, None, None,
            ]  # fmt: skip


def test_absolute_paths_and_those_out_of_the_folder_are_the_users(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/a.png").write_bytes(b"a")
    (tmp_path / "images").mkdir()
    with open_images(tmp_path / "images") as opened:
        assert opened.read(opened.find("../elsewhere/a.png")) == b"a"
        assert opened.read(opened.find(str(tmp_path / "elsewhere/a.png"))) == b"a"


def test_a_bomb_is_not_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 2**20)
    with zipfile.ZipFile(tmp_path / "images.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bytes(2**20 + 1))
        archive.writestr("small.png", bytes(2**20))
    (tmp_path / "bomb.png").write_bytes(bytes(2**20 + 1))
    for source in (tmp_path / "images.zip", tmp_path):
        with open_images(source) as opened, pytest.raises(ValueError, match="bomb.png'? is larger than 1 MiB"):
            opened.read(opened.find("bomb"))
    with open_images(tmp_path / "images.zip") as opened:
        assert len(opened.read("small.png")) == 2**20


def test_a_member_that_lies_about_its_size_is_cut_off_and_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "images.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bytes(2**24))
    content = (tmp_path / "images.zip").read_bytes()
    (tmp_path / "images.zip").write_bytes(content.replace(struct.pack("<L", 2**24), struct.pack("<L", 100)))
    with open_images(tmp_path / "images.zip") as opened:
        assert opened.members["bomb.png"].file_size == 100
        with pytest.raises(ValueError, match="'bomb.png' cannot be read .*; pack it anew"):
            opened.read("bomb.png")


@pytest.mark.parametrize("damage", ["truncated", "bit", "encrypted"])
def test_damage_is_told(tmp_path, damage):
    path = tmp_path / "images.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(range(256)) * 4)
    content = bytearray(path.read_bytes())
    if damage == "encrypted":
        content[6] |= 1
        content[content.index(b"PK\1\2") + 8] |= 1
    elif damage == "bit":
        content[60] ^= 255
    path.write_bytes(content[: len(content) // 2] if damage == "truncated" else content)
    with pytest.raises(ValueError, match="images.zip"), open_images(path) as opened:
        opened.read("a.png")


def test_what_is_no_source_is_refused(tmp_path):
    (tmp_path / "file").write_text("text")
    for name, message in [("file", "is neither a folder nor a sound .zip"), ("gone", "is missing; name the folder")]:
        with pytest.raises(ValueError, match=message), open_images(tmp_path / name):
            pass
