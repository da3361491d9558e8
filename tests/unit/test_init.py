import os

import numpy as np
import pytest
import yaml

from cdp.init import declare_dataset, inspect_features, main


@pytest.fixture
def root(tmp_path):
    """The folder of a workflow, and files to declare in tmp_path/files: a.npy, b.bin of 60 samples, list and labels."""
    (tmp_path / "root/config/datasets").mkdir(parents=True)
    files = tmp_path / "files"
    files.mkdir()
    generator = np.random.default_rng(0)
    np.save(files / "a.npy", generator.normal(size=(60, 8)).astype(np.float16))
    generator.normal(size=(60, 5)).astype(np.float32).tofile(files / "b.bin")
    (files / "list.txt").write_text("".join(f"sample {i}\n" for i in range(60)))
    (files / "meta.txt").write_text("".join(f"{i % 7}\n" for i in range(60)))
    return tmp_path / "root"


def tree(folder):
    return {path.relative_to(folder).as_posix(): os.lstat(path).st_mtime_ns for path in folder.rglob("*")}


def declare(root, *features, name="mydata", **options):
    files = root.parent / "files"
    options = {key: files / value if key.endswith("path") else value for key, value in options.items()}
    return declare_dataset(name, [files / feature for feature in features], root=root, **options)


def test_what_is_written_and_said(root):
    said = declare(root, "a.npy", "b.bin", list_path="list.txt", labels_path="meta.txt")
    entry = yaml.safe_load((root / "config/datasets/mydata.yaml").read_text())
    assert entry == {
        "dim": {"b": 5},
        "models": ["a", "b"],
        "committees": {"single": {"base": "a"}, "all": {"base": "a", "members": ["b"]}},
        "experiments": [
            {"strategy": "vote", "committee": "single", "threshold": "auto"},
            {"strategy": "vote", "committee": "all", "accept": 1, "threshold": "auto"},
        ],
    }
    assert os.listdir(root / "config/datasets") == ["mydata.yaml"]
    folder = root / "data/unlabeled/mydata"
    for place, file in [("features/a.npy",) * 2, ("features/b.bin",) * 2, ("list.txt",) * 2, ("meta.txt",) * 2]:
        assert os.readlink(folder / place) == str(root.parent / "files" / file.removeprefix("features/"))
    assert [path.name for path in (root / "config/datasets").iterdir()] == ["mydata.yaml"]
    text = "\n".join(said)
    assert "a.npy: 60 samples x 8, float16, rows of length " in text
    assert "b.bin: 60 samples x 5, float32, rows of length " in text
    assert "list.txt: 60 names." in text
    assert "meta.txt: 7 identities of 8 to 9 samples." in text
    assert text.endswith("Now run: snakemake results/mydata/report/index.html")


def test_a_labelled_set_has_no_experiments(root):
    said = declare(root, "a.npy", labels_path="meta.txt", labeled=True)
    entry = yaml.safe_load((root / "config/datasets/mydata.yaml").read_text())
    assert entry == {"kind": "labeled", "models": ["a"], "committees": {"single": {"base": "a"}}}
    assert (root / "data/labeled/mydata/meta.txt").exists()
    assert "--labeled-set mydata` here, or `labeled: mydata`" in said[-1]


def test_a_labelled_set_with_fewer_samples_an_identity(root):
    files = root.parent / "files"
    options = {"labeled": True, "labels_path": "meta.txt", "list_path": "list.txt", "samples_per_identity": 60 / 7 / 2}
    said = declare(root, "a.npy", "b.bin", **options)
    folder = root / "data/labeled/mydata"
    lists = {path: (folder / path).read_text().splitlines() for path in ("list.txt", "meta.txt")}
    rows = [int(line.removeprefix("sample ")) for line in lists["list.txt"]]
    assert rows == sorted(rows)
    assert lists["meta.txt"] == [str(row % 7) for row in rows]
    assert {lists["meta.txt"].count(str(identity)) for identity in range(7)} == {4}
    a, b = np.load(files / "a.npy"), np.fromfile(files / "b.bin", np.float32).reshape(60, 5)
    np.testing.assert_array_equal(np.load(folder / "features/a.npy"), a[rows])
    np.testing.assert_array_equal(np.fromfile(folder / "features/b.bin", np.float32).reshape(-1, 5), b[rows])
    assert yaml.safe_load((root / "config/datasets/mydata.yaml").read_text())["dim"] == {"b": 5}
    assert "Of them 28 samples are taken by chance, 4 an identity." in said
    assert "data/labeled/mydata holds copies of these samples' rows." in "\n".join(said)
    config = (root / "config/datasets/mydata.yaml").read_text()
    assert config.startswith(f"# 28 samples taken by chance of {files / 'meta.txt'}, declared by cdp.init.")


def test_a_disk_that_fills_leaves_no_copies(root, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    options = {"labeled": True, "labels_path": "meta.txt", "list_path": "list.txt", "samples_per_identity": 4}
    with monkeypatch.context() as patched:
        patched.setattr(np, "save", full)
        with pytest.raises(OSError, match="no room left"):
            declare(root, "b.bin", "a.npy", **options)
    assert not [path for path in (root / "data").rglob("*") if path.is_file()]
    declare(root, "b.bin", "a.npy", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "just a labelled set can be thinned; give --labeled"),
        (
            {"labeled": True},
            "samples_per_identity must be at least 1 and below 8.571, which the set has, not 9",
        ),
    ],
)
def test_sets_that_cannot_be_thinned(root, options, message):
    before = tree(root)
    with pytest.raises(ValueError, match=message):
        declare(root, "a.npy", labels_path="meta.txt", samples_per_identity=9, **options)
    assert tree(root) == before


def test_files_in_their_place_are_not_thinned(root):
    place = root / "data/labeled/mydata/features/a.npy"
    place.parent.mkdir(parents=True)
    os.rename(root.parent / "files/a.npy", place)
    before = place.read_bytes()
    with pytest.raises(ValueError, match="features/a.npy exists and is left as it is"):
        declare_dataset(
            "mydata",
            [place],
            labels_path=root.parent / "files/meta.txt",
            labeled=True,
            samples_per_identity=4,
            root=root,
        )
    assert place.read_bytes() == before


@pytest.mark.parametrize("features", [["a.npy"], ["a.npy", "b.bin"]])
def test_on_a_labelled_set_everything_is_chosen(root, features):
    declare(root, *features, name="known", labels_path="meta.txt", labeled=True)
    declare(root, *features, labeled_set="known")
    entry = yaml.safe_load((root / "config/datasets/mydata.yaml").read_text())
    assert entry["labeled"] == "known"
    expected = [
        {"strategy": "vote", "committee": "single", "threshold": "auto"},
        {"strategy": "vote", "committee": "all", "accept": "auto", "threshold": "auto"},
        {"strategy": "mediator", "committee": "all", "inputs": "111", "threshold": "auto"},
    ]
    assert entry["experiments"] == expected[: 1 if len(features) == 1 else 3]


@pytest.mark.parametrize(
    ("features", "options", "message"),
    [
        (["a.npy", "b.bin"], {"labeled_set": "../known"}, "'../known' cannot be the name of a labelled set"),
        (["a.npy", "b.bin"], {"labeled_set": "unknown"}, "there is no .*unknown.yaml, which would declare unknown"),
        (["a.npy", "b.bin"], {"labeled_set": "plain"}, "plain.yaml does not declare a labelled set"),
        (["b.bin", "a.npy"], {"labeled_set": "known", "dim": 5}, "has no committee 'single' of base b and members"),
        (["a.npy", "b.bin"], {"labeled_set": "alone"}, "has no committee 'all' of base a and members .'b'.; give"),
        (["a.npy"], {"labeled_set": "known", "labeled": True, "labels_path": "meta.txt"}, "a labelled set is its own"),
    ],
)
def test_labelled_sets_that_do_not_fit(root, features, options, message):
    declare(root, "a.npy", "b.bin", name="known", labels_path="meta.txt", labeled=True)
    declare(root, "a.npy", name="alone", labels_path="meta.txt", labeled=True)
    declare(root, "a.npy", name="plain")
    before = tree(root)
    with pytest.raises(ValueError, match=message):
        declare(root, *features, **options)
    assert tree(root) == before


def test_identities_larger_than_max_size_raise_it(root):
    np.save(root.parent / "files/a.npy", np.random.default_rng(0).normal(size=(1000, 4)))
    (root.parent / "files/meta.txt").write_text("7\n" * 700 + "".join(f"{i}\n" for i in range(300)))
    declare(root, "a.npy", labels_path="meta.txt")
    assert yaml.safe_load((root / "config/datasets/mydata.yaml").read_text())["max_size"] == 701


@pytest.mark.parametrize("model", ["null", "yes", "1e3", "0x1F", "12", "on", "_", "a-b.c"])
def test_names_that_yaml_could_read_as_something_else(root, model):
    os.rename(root.parent / "files/a.npy", root.parent / f"files/{model}.npy")
    if model == "_":
        with pytest.raises(ValueError, match="'_' cannot be the name of a model; it must begin with"):
            declare(root, "_.npy")
        return
    declare(root, f"{model}.npy")
    entry = yaml.safe_load((root / "config/datasets/mydata.yaml").read_text())
    assert entry["models"] == [model]
    assert entry["committees"]["single"]["base"] == model


def test_inspection_against_loops():
    generator = np.random.default_rng(0)
    features = generator.normal(size=(9000, 6)).astype(np.float32)
    features[[17, 5000, 8999]] = features[4]
    features[6000] = features[5999]
    figures = inspect_features(features, name="x")
    seen, repeats = {}, []
    for row, values in enumerate(features):
        if tuple(values) in seen:
            repeats.append((row, seen[tuple(values)]))
        seen.setdefault(tuple(values), row)
    assert (figures["repeated"], figures["repeats"]) == (len(repeats), repeats[0])
    lengths = sorted(sum(float(x) ** 2 for x in row) ** 0.5 for row in features)
    np.testing.assert_allclose(figures["norms"], [lengths[0], np.median(lengths), lengths[-1]])
    assert (figures["samples"], figures["dim"], figures["dtype"]) == (9000, 6, "float32")


def test_normalised_rows_repeats_and_repeated_names_are_told(root):
    features = np.random.default_rng(0).normal(size=(60, 8))
    features[3] = features[1]
    np.save(root.parent / "files/a.npy", features / np.linalg.norm(features, axis=1, keepdims=True))
    (root.parent / "files/list.txt").write_text("same\n" * 2 + "".join(f"{i}\n" for i in range(58)))
    text = "\n".join(declare(root, "a.npy", list_path="list.txt"))
    assert "60 samples x 8, float64, rows of length 1.\n" in text
    assert "Rows that repeat an earlier one to the bit: 1, the first is row 3 (as row 1)." in text
    assert "60 names, 1 of them more than once, such as 'same'." in text


def zero_row(files):
    features = np.ones((60, 8), np.float32)
    features[[7, 9]] = 0
    np.save(files / "a.npy", features)


def nan_row(files):
    features = np.ones((60, 8), np.float16)
    features[3, 1] = np.nan
    np.save(files / "a.npy", features)


MISTAKES = {
    "name": (None, ["a.npy"], {"name": "../evil"}, "'../evil' cannot be the name of a data set; it must begin with"),
    "no file": (None, ["c.npy"], {}, "c.npy is no file; give the path of one"),
    "folder": (lambda files: (files / "c.npy").mkdir(), ["c.npy"], {}, "c.npy is no file; give the path of one"),
    "other kind": (None, ["list.txt"], {}, "list.txt is neither .npy nor .bin"),
    "twice": (
        lambda files: (files / "a.bin").write_bytes(b"1234"),
        ["a.npy", "a.bin"],
        {},
        "are both of a model 'a'; rename one",
    ),
    "no list": (None, ["a.npy"], {"list_path": "gone.txt"}, "gone.txt is no file"),
    "raw alone": (None, ["b.bin"], {}, "b.bin is a raw file, which does not say its width; give --dim, or --list"),
    "raw, other size": (
        lambda files: (files / "b.bin").write_bytes(bytes(4 * 61)),
        ["a.npy", "b.bin"],
        {},
        "b.bin has 244 bytes, which is no multiple of 4 x 60",
    ),
    "wrong dim": (None, ["b.bin"], {"dim": 7}, "b.bin has 1200 bytes, which is no multiple of 28"),
    "dim of another number": (None, ["a.npy", "b.bin"], {"dim": 10}, "b.bin has 30 samples but .*a.npy has 60"),
    "no npy": (lambda files: (files / "a.npy").write_text("x"), ["a.npy"], {}, "a.npy is not a readable .npy file"),
    "pickle": (
        lambda files: np.save(files / "a.npy", np.array([{}]), allow_pickle=True),
        ["a.npy"],
        {},
        "a.npy is not a readable .npy file|a.npy holds object",
    ),
    "integers": (lambda files: np.save(files / "a.npy", np.ones((3, 3), int)), ["a.npy"], {}, "a.npy holds int64"),
    "empty": (lambda files: np.save(files / "a.npy", np.ones((0, 3))), ["a.npy"], {}, "a.npy is empty"),
    "zeros": (zero_row, ["a.npy"], {}, "2 of 60 rows are all zeros, the first is row 7 .from 0.; remove"),
    "nan": (nan_row, ["a.npy"], {}, "1 of 60 rows hold NaN or infinity, the first is row 3 .from 0.; remove"),
    "short list": (
        lambda files: (files / "list.txt").write_text("one\n"),
        ["a.npy"],
        {"list_path": "list.txt"},
        "a.npy has 60 samples but .*list.txt has 1;",
    ),
    "list is no text": (
        lambda files: (files / "list.txt").write_bytes(b"\xff\n"),
        ["a.npy"],
        {"list_path": "list.txt"},
        "list.txt is not UTF-8 text",
    ),
    "labels": (
        lambda files: (files / "meta.txt").write_text("x\n"),
        ["a.npy"],
        {"labels_path": "meta.txt"},
        "meta.txt: line 1 is 'x', not an integer",
    ),
    "labeled without labels": (None, ["a.npy"], {"labeled": True}, "a labelled set needs labels; give --labels"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_sentence_and_write_nothing(root, mistake):
    damage, features, options, message = MISTAKES[mistake]
    if damage:
        damage(root.parent / "files")
    before = tree(root)
    with pytest.raises(ValueError, match=message) as caught:
        declare(root, *features, **options)
    assert "\n" not in str(caught.value)
    assert tree(root) == before


def test_nothing_that_exists_is_replaced(root):
    declare(root, "a.npy")
    before = tree(root)
    with pytest.raises(ValueError, match="mydata.yaml exists and is left as it is; choose another name"):
        declare(root, "a.npy")
    assert tree(root) == before
    (root / "config/datasets/mydata.yaml").unlink()
    place = root / "data/unlabeled/mydata/features/a.npy"
    place.unlink()
    place.write_text("precious")
    with pytest.raises(ValueError, match="features/a.npy exists and is left as it is; choose another name for the"):
        declare(root, "a.npy")
    assert place.read_text() == "precious"


@pytest.mark.parametrize("other", ["features/a.bin", "list.txt", "meta.txt"])
def test_files_that_would_be_taken_for_a_part_are_refused(root, other):
    path = root / "data/unlabeled/mydata" / other
    path.parent.mkdir(parents=True)
    path.write_text("1\n")
    with pytest.raises(ValueError, match=f"{other} is there already and would be taken for a part"):
        declare(root, "a.npy")


def test_files_that_lie_in_their_place_stay_there(root):
    place = root / "data/unlabeled/mydata/features"
    place.mkdir(parents=True)
    os.rename(root.parent / "files/a.npy", place / "a.npy")
    declare_dataset("mydata", [place / "a.npy"], root=root)
    assert not (place / "a.npy").is_symlink()
    assert (root / "config/datasets/mydata.yaml").exists()


def test_command(root, capsys, monkeypatch):
    monkeypatch.chdir(root)
    files = root.parent / "files"
    assert main(["mydata", "--features", str(files / "b.bin"), "--dim", "0"]) == 1
    assert capsys.readouterr().err == "error: --dim is 0; it must be at least 1\n"
    assert main(["mydata", "--features", str(files / "b.bin"), "--dim", "5"]) == 0
    assert capsys.readouterr().out.endswith("Now run: snakemake results/mydata/report/index.html\n")
    assert yaml.safe_load((root / "config/datasets/mydata.yaml").read_text())["dim"] == {"b": 5}
    monkeypatch.chdir(files)
    assert main(["other", "--features", "a.npy"]) == 1
    assert capsys.readouterr().err == (
        "error: there is no folder config/datasets; run this in the folder of the Snakefile\n"
    )
