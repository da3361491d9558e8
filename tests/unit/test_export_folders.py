import os
import unicodedata
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.export import write_clusters_csv
from cdp.export_folders import export_folders, main

PARTS = st.text(st.characters(codec="utf-8", exclude_characters="/\0\r\n"), min_size=1, max_size=12).filter(
    lambda part: part not in (".", "..")
)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def contents(folder):
    """What each file of a tree says, by its path."""
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_links_and_copies_by_cluster(tmp_path):
    names = ["a/x.jpg", "b/x.jpg", "c/X.JPG", "my photo ü 漢.png", "b/x~2.jpg", "alone.gif"]
    for name in names:
        write(tmp_path / "images" / name, name)
    clusters = np.array([0, 0, 0, 10, 0, -1])
    expected = {
        "00/x.jpg": "a/x.jpg",
        "00/x~2.jpg": "b/x.jpg",
        "00/X~3.JPG": "c/X.JPG",  # the same name to a file system that does not tell case
        "10/my photo ü 漢.png": "my photo ü 漢.png",
        "00/x~2~2.jpg": "b/x~2.jpg",
        "discarded/alone.gif": "alone.gif",
    }
    for mode in ("link", "copy"):
        missing = export_folders(names, clusters, tmp_path / mode, source=tmp_path / "images", mode=mode)
        assert missing == []
        assert contents(tmp_path / mode) == expected
        files = [path for path in (tmp_path / mode).rglob("*") if path.is_file()]
        assert {path.is_symlink() for path in files} == {mode == "link"}
    assert {path.name for path in tmp_path.iterdir()} == {"images", "link", "copy"}


@settings(max_examples=50)
@given(st.data())
def test_whatever_the_names_all_files_arrive_and_none_elsewhere(tmp_path_factory, data):
    """Each sample's file is there once, in its cluster's folder; nothing else is anywhere."""
    root = tmp_path_factory.mktemp("folders")
    stems = data.draw(st.lists(PARTS, min_size=1, max_size=3))
    names = [f"{folder}/{stem}" for folder in "ab" for stem in stems]
    names = [name for name in dict.fromkeys(names) if len(name.encode()) < 200]
    for number, name in enumerate(names):
        write(root / "images" / name, str(number))
    listed = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=12))  # repeated lines too
    spelled = [data.draw(st.sampled_from([name, f"../images/{name}", str(root / "images" / name)])) for name in listed]
    clusters = np.array(data.draw(st.lists(st.integers(-1, 2), min_size=len(listed), max_size=len(listed))))
    before = set(root.rglob("*"))
    missing = export_folders(spelled, clusters, root / "out/deep", source=root / "images", mode="copy")
    assert missing == []
    made = {path for path in set(root.rglob("*")) - before if path.is_file()}
    found = sorted((path.parent.name, path.read_text()) for path in made)
    folder_of = {-1: "discarded", 0: "0", 1: "1", 2: "2"}
    expected = zip(listed, clusters.tolist(), strict=True)
    assert found == sorted((folder_of[cluster], str(names.index(name))) for name, cluster in expected)
    assert all(path.parent.parent == root / "out/deep" for path in made)
    for folder in folder_of.values():  # on a file system that tells neither case nor form of accents too
        folded = [unicodedata.normalize("NFC", path.name.casefold()) for path in made if path.parent.name == folder]
        assert len(folded) == len(set(folded))


def test_members_of_a_zip_never_leave_the_destination(tmp_path):
    names = ["../../evil.png", "/etc/evil.png", "..", "a/../..", "x/" + 300 * "ü" + ".png", "sub/good", "."]
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for name in [*names[:-2], "sub/good.webp", ".", "not listed.png"]:
            archive.writestr(name, f"content of {name}")
    before = set(tmp_path.rglob("*"))
    missing = export_folders(
        names, np.zeros(len(names), int), tmp_path / "out", source=tmp_path / "images.zip", mode="copy"
    )
    assert missing == ["..", "a/../..", "."]
    made = contents(tmp_path / "out")
    assert sorted(made) == sorted(["0/evil.png", "0/evil~2.png", "0/good.webp", f"0/{125 * 'ü'}.png"])
    assert made["0/good.webp"] == "content of sub/good.webp"
    assert {path for path in set(tmp_path.rglob("*")) - before if tmp_path / "out" not in path.parents} == {
        tmp_path / "out"
    }


@pytest.mark.parametrize("existing", ["folder", "file", "dangling link"])
def test_an_existing_destination_is_left_as_it_is(tmp_path, existing):
    write(tmp_path / "a.png", "a")
    out = tmp_path / "out"
    if existing == "folder":
        write(out / "precious", "kept")
    elif existing == "file":
        out.write_text("kept")
    else:
        out.symlink_to(tmp_path / "nowhere")
    before = {path: os.lstat(path) for path in tmp_path.rglob("*")}
    with pytest.raises(ValueError, match="out exists and is left as it is; name a folder that does not exist yet"):
        export_folders(["a.png"], np.array([0]), out, source=tmp_path)
    assert {path: os.lstat(path) for path in tmp_path.rglob("*")} == before


def test_samples_without_a_file_are_left_out_and_told(tmp_path):
    write(tmp_path / "images/a.png", "a")
    (tmp_path / "images/folder").mkdir()
    names = ["a.png", "gone.png", "folder", "", "nul\0", 5000 * "x"]
    missing = export_folders(names, np.zeros(6, int), tmp_path / "out", source=tmp_path / "images")
    assert missing == names[1:]
    assert contents(tmp_path / "out") == {"0/a.png": "a"}


def test_failures_leave_nothing(tmp_path):
    write(tmp_path / "images/a.png", "a")
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("a.png", "a")
    for names, source, mode, message in [
        (["b.png"], "images", "link", "none of the 1 samples has a file in .*images"),
        (["a.png"], "images.zip", "link", "give --mode copy, or unpack it"),
        (["a.png"], "nowhere", "link", "nowhere is missing; name the folder or the .zip"),
        (["a.png"], "images/a.png", "copy", "neither a folder nor a sound .zip"),
    ]:
        with pytest.raises(ValueError, match=message):
            export_folders(names, np.array([0]), tmp_path / "out", source=tmp_path / source, mode=mode)
        assert {path.name for path in tmp_path.iterdir()} == {"images", "images.zip"}


def test_many_samples_of_one_name(tmp_path):
    names = [f"{i}/0.jpg" for i in range(1000)]
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        for name in names:
            archive.writestr(name, name)
    export_folders(names, np.zeros(1000, int), tmp_path / "out", source=tmp_path / "images.zip", mode="copy")
    assert sorted(contents(tmp_path / "out").values()) == sorted(names)
    assert (tmp_path / "out/0/0~1000.jpg").exists()


def test_command(tmp_path, capsys):
    write(tmp_path / "images/a.png", "a")
    result = tmp_path / "result"
    arguments = [str(result), str(tmp_path / "out"), "--source", str(tmp_path / "images")]
    assert main(arguments) == 1
    assert capsys.readouterr().err == (
        f"error: {result}/clusters.csv is missing; have it made: snakemake {result}/clusters.csv\n"
    )
    result.mkdir()
    write_clusters_csv(result / "clusters.csv", ["a.png", "b.png"], np.array([0, 1]), np.zeros(2))
    assert main(arguments) == 0
    assert capsys.readouterr().out == (
        f"{tmp_path}/out: files of 1 of 2 samples, a folder a cluster\n"
        "left out, without a file: 1, the first of them 'b.png'\n"
    )
    assert Path(os.readlink(tmp_path / "out/0/a.png")) == tmp_path / "images/a.png"
    assert main(arguments) == 1
    assert capsys.readouterr().err.startswith("error: ")
