"""Thousands of malformed files for every reader: refused in a sentence that names the file, in little memory."""

import copy
import io
import os
import pickle
import resource
import shutil
import traceback
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cdp.contact_sheets import _picture
from cdp.dataset import check_features
from cdp.export import read_clusters_csv
from cdp.files import load_array, load_arrays, read_json
from cdp.images import ImageFolder, open_images
from cdp.labels import read_labels, read_lines
from cdp.mediator import Mediator
from tests.workflow.helpers import ROOT

SPARE_MEMORY = 2**28  # bytes beyond what the test itself takes
SECONDS = 60  # of processor time, for the inputs of one test


def rules_config(folder):
    """The names that rules/config.smk defines, for a workflow in that folder."""
    opener = SimpleNamespace(open=lambda file: io.StringIO(Path(file.get_path_or_uri(secret_free=False)).read_text()))
    workflow = SimpleNamespace(basedir=str(folder), modifier=SimpleNamespace(skip_validation=False), sourcecache=opener)
    names = {"os": os, "workflow": workflow}
    exec(compile((ROOT / "rules/config.smk").read_text(), "config.smk", "exec"), names)
    return names


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def pt(state):
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def picture(kind):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def pictures(compression):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name in ("a.png", "of ü/b.png"):
            archive.writestr(name, picture("PNG"))
    return buffer.getvalue()


def read_archive(path):
    """As contact sheets and exports do."""
    with open_images(path) as images:
        for name in ("a", "of ü/b.png"):
            if (found := images.find(name)) is not None:
                images.read(found)


def read_picture(path):
    if _picture(path.name, ImageFolder(path.parent)) is None:
        raise ValueError(f"{path.name} is shown as a blank")


def mediator_state(n_inputs=4):
    mediator = Mediator(n_inputs)
    network = mediator.network.state_dict()
    return {"n_inputs": n_inputs, "network": network, "mean": mediator.mean, "scale": mediator.scale}


FEATURES = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
IDX, DIST = np.arange(12, dtype=np.int32).reshape(4, 3), np.ones((4, 3), np.float32)
KINDS = {  # name of the file: how it is read, sound contents, how many malformed ones
    "list.txt": (read_lines, [b"one.jpg\nzwei \xc3\xa4.jpg\n", "ümläut\r\n\n漢字".encode()], 1500),
    "meta.txt": (read_labels, [b"0\n1\n-1\n25\n", b" 7 \r\n+8\r\n" * 9, b"9223372036854775807\n"], 2500),
    "clusters.csv": (
        read_clusters_csv,
        [b'sample,cluster,size,confidence\na,0,1,0.9000\n"b,""\xc3\xa4",-1,1,0.0000\n'],
        800,
    ),
    "images.zip": (read_archive, [pictures(zipfile.ZIP_STORED), pictures(zipfile.ZIP_DEFLATED)], 1500),
    "p.png": (read_picture, [picture(kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP")], 1500),
    "a.bin": (lambda path: check_features(path, dim=8), [FEATURES.tobytes()], 800),
    "a.npy": (check_features, [npy(FEATURES), npy(FEATURES.astype(">f8")), npy(FEATURES.astype("f2").T)], 2000),
    "x.npy": (load_array, [npy(IDX), npy(DIST[0]), npy(np.float32(1)), npy(np.empty((0, 3)))], 1500),
    "x.npz": (lambda path: load_arrays(path, "idx", "dist"), [npz(idx=IDX, dist=DIST)], 1500),
    "x.json": (read_json, [b'{"recall": 0.99, "kept": {"f": [null, 1e3, "\\u00e4"]}}\n', b'{"outcome": "done"}'], 1500),
    "m.pt": (Mediator.load, [pt(mediator_state())], 500),
    "c.yaml": (rules_config(ROOT)["read_yaml"], [(ROOT / "config/datasets/demo_labeled.yaml").read_bytes()], 700),
}
TOKENS = [
    b"", b"\0", b"\xff", b"\n", b"-", b"9" * 30, b"1e999", b"nan", b"[" * 9, b"{", b"&a [*a]",
    b"!!python/object:os.system x", b"(10**15, 8)", b"1000000000000000", b"|O", b"True", b"\xe2\x80\xa8", b"'", b'"',
    b": ", b"PK\x03\x04", b"2001-99-99",
]  # fmt: skip


def mutated(content, generator):
    """A sound file with one to four faults."""
    data = bytearray(content)
    for _ in range(generator.integers(1, 5)):
        start, stop = sorted(generator.integers(0, len(data) + 1, 2))
        match generator.integers(6):
            case 0:
                del data[start:]
            case 1:
                del data[start : min(stop, start + 9)]
            case 2:
                data[start:start] = data[start:stop]
            case 3:
                data[start : start + generator.integers(9)] = TOKENS[generator.integers(len(TOKENS))]
            case 4:
                data[start:start] = generator.bytes(generator.integers(1, 9))
            case 5 if start < len(data):
                data[start] ^= 1 << int(generator.integers(8))
    return bytes(data)


def limited(work):
    """What a function gives in a fork of this process that may take only a little more memory, and not for ever."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with open("/proc/self/statm") as file:
                now = int(file.read().split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (now + SPARE_MEMORY, now + SPARE_MEMORY))
            resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
            torch.set_num_threads(1)
            result = work()
        except BaseException:
            result = traceback.format_exc()
        with open(writer, "wb") as file:
            pickle.dump(result, file)
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as file:
        answer = file.read()
    os.waitpid(child, 0)
    assert answer, "killed: it hung, or crashed"
    return pickle.loads(answer)


def complaints(path, read, contents):
    """What goes wrong other than a refusal in one sentence that names the file; and how many files were refused."""
    refused, wrong = 0, []
    for content in contents:
        path.unlink(missing_ok=True)  # or the file system has each on the disk before the next
        path.write_bytes(content)
        try:
            read(path)
        except (ValueError, OSError, SystemExit) as error:
            refused += 1
            if path.name not in str(error) or "\n" in str(error):
                wrong.append((content[:200], str(error)))
        except BaseException as error:
            wrong.append((content[:200], repr(error)))
    return wrong, refused


def check(folder, name, contents, *, least):
    """All contents are read or refused properly, `least` of them refused, and nothing else is written."""
    wrong, refused = limited(lambda: complaints(folder / name, KINDS[name][0], contents))
    assert wrong == []
    assert refused >= least
    assert [path.name for path in folder.iterdir()] == [name]


def test_there_are_ten_thousand():
    """Of lists, labels, features, arrays and settings; pictures and the rest are beside these."""
    kinds = ("list.txt", "meta.txt", "a.bin", "a.npy", "x.npy", "x.npz", "c.yaml")
    assert sum(KINDS[name][2] for name in kinds) > 10_000


@pytest.mark.parametrize("name", KINDS)
def test_sound_files_are_read(name, tmp_path):
    read, contents, _ = KINDS[name]
    for content in contents:
        (tmp_path / name).write_bytes(content)
        read(tmp_path / name)


@pytest.mark.parametrize("name", KINDS)
def test_damaged_files(name, tmp_path):
    generator = np.random.default_rng(len(name))
    _, sound, number = KINDS[name]
    others = [content for _, contents, _ in KINDS.values() for content in contents]
    contents = [mutated(sound[i % len(sound)], generator) for i in range(number - 50)]
    contents += [generator.bytes(i) for i in range(50)] + others
    check(tmp_path, name, contents, least=number // 2)


def headers(generator, count):
    """.npy files whose headers claim all sorts of things."""
    numbers = [0, 1, -1, 3, 10**6, 10**9, 10**15, 2**62, 2**64, 10**40, True, None, "3", 1.5]
    kinds = [
        "<f4", "<f8", "<f2", ">f4", "<i4", "|O", "|S0", "<U9", "|V8", "<f16", "<c8", "M8[s]", "f", "", 7, None,
        [("a", "<f4")], "<f4" * 9,
    ]  # fmt: skip
    for _ in range(count):
        shape = tuple(numbers[i] for i in generator.integers(len(numbers), size=generator.integers(4)))
        entries = {
            "descr": kinds[generator.integers(len(kinds))],
            "fortran_order": bool(generator.integers(2)),
            "shape": shape,
        }
        text = repr(entries).encode() + b"\n"
        if generator.random() < 0.1:
            text = [b"[" * 9000, b"{'shape': " * 900, b"-" * 9000, b"9" * 9000, b"1+" * 4000 + b"1"][
                generator.integers(5)
            ]
        version = generator.integers(1, 5)
        length = len(text) if generator.random() < 0.9 else int(generator.integers(2**16))
        prefix = length.to_bytes(2 if version == 1 else 4, "little")
        yield b"\x93NUMPY" + bytes([version, 0]) + prefix + text + generator.bytes(generator.integers(100))


@pytest.mark.parametrize("name", ["a.npy", "x.npy"])
def test_arrays_that_claim_to_be_what_they_are_not(name, tmp_path):
    check(tmp_path, name, list(headers(np.random.default_rng(1), 1500)), least=1400)


def stored(entries, size=None):
    """A .npz of these members; `size` is what its directory claims of each."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
        for entry in archive.infolist() if size else ():
            entry.file_size = entry.compress_size = size
    return buffer.getvalue()


def test_archives_that_claim_to_be_what_they_are_not(tmp_path):
    arrays = list(headers(np.random.default_rng(2), 500))
    archives = [stored({"idx.npy": array, "dist.npy": npy(DIST)}) for array in arrays]
    archives += [stored({"idx.npy": array, "dist.npy": npy(DIST)}, size=2**31 - 1) for array in arrays[:100]]
    with zipfile.ZipFile(bomb := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("idx.npy", npy(np.zeros(10**8, np.int8)))
        archive.writestr("dist.npy", npy(DIST))
    check(tmp_path, "x.npz", archives, least=550)
    check(tmp_path, "x.npz", [bomb.getvalue()], least=1)


def test_networks_that_claim_to_be_what_they_are_not(tmp_path):
    sound = mediator_state()
    states = [
        sound | {"n_inputs": value} for value in (0, -1, 3, 10**6, 10**15, 2**70, "4", None, 4.5, [4], torch.ones(3))
    ]
    for key in sound:
        states += [sound | {key: value} for value in (None, {}, "x", torch.ones(()), torch.ones(4, 4), torch.ones(5))]
        states.append({other: value for other, value in sound.items() if other != key})
    for key in sound["network"]:
        states += [
            sound | {"network": sound["network"] | {key: value}} for value in (None, torch.ones(2), torch.ones(()))
        ]
    states += [None, [], 5, torch.ones(3), {1: 2}]
    check(tmp_path, "m.pt", [pt(state) for state in states], least=len(states) - 1)  # the last bias does have two


def test_yaml_that_grows(tmp_path):
    bomb = "a0: &a0 [1, 1]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
    texts = [
        bomb, "a: &a [*a]", "a: &a {b: *a}", "[" * 50_000, "{a: " * 50_000, "- " * 50_000, "- [1]", "text", "5",
        "a: 2001-99-99", "a: " + "9" * 9000, "? [1]\n: 2", "? {a: 1}\n: 2", "a: !!binary x", "a: !!set 5",
        "a: !!int x", "a: !!timestamp x", "a: !!float x", "--- 1\n--- 2", "%YAML 9.9\n---\na: 1", "a: \x00", "<<: 5",
        "a: *b", "a: !!python/object/apply:os.getcwd []",
    ]  # fmt: skip
    check(tmp_path, "c.yaml", [text.encode() for text in texts], least=len(texts))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_anything_at_all(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp() / "anything"
    folder.mkdir(exist_ok=True)
    for name, (read, _, _) in KINDS.items():
        wrong, _ = complaints(folder / name, read, [content])
        assert wrong == []


ENTRY = {
    "models": ["a", "b"],
    "committees": {"all": {"base": "a", "members": ["b"]}},
    "experiments": [{"strategy": "vote", "committee": "all", "accept": 1, "threshold": "0.5"}],
    "baselines": {"dbscan": {"eps": 0.5, "min_samples": 2}, "tight": {"method": "leiden", "resolution": 0.1}},
    "dim": {"b": 8},
    "k": 15,
}
NAMES = [
    "..", ".", "../up", "a/b", "/tmp", "a b", " ", "", "a\nb", "a\n", "a'b", 'a"b', "a\0", "ä", "漢字", "\u202ea",
    "-a", "--config", "a" * 101, "a" * 5000, "$(touch x)", "a;b", "*", "~", "{dataset}", "%s", "a\\b", 5, None, True,
    1.5, ("a",),
]  # fmt: skip


@pytest.fixture(scope="module")
def validated_config(tmp_path_factory):
    """Validation with one data set, which is given."""
    folder = tmp_path_factory.mktemp("config")
    (folder / "config").mkdir()
    for file in ("config.yaml", "schema.yaml"):
        shutil.copy(ROOT / "config" / file, folder / "config")
    validate = rules_config(folder)["validated_config"]
    return lambda entry, name="some": validate({"tables": [name], "datasets": {name: copy.deepcopy(entry)}})


def renamed(where, name):
    """The entry with that name in one place, and what names the data set."""
    entry = copy.deepcopy(ENTRY)
    if where == "models":
        entry["models"].append(name)
    elif where != "data set":
        entry[where][name] = list(entry[where].values())[-1]
    return entry, name if where == "data set" else "some"


@pytest.mark.parametrize("where", ["data set", "models", "committees", "baselines"])
def test_names_that_would_become_paths(where, validated_config):
    assert "some" in validated_config(*renamed(where, "some_name-2.x"))["datasets"] or where == "data set"
    for name in NAMES:
        with pytest.raises(SystemExit, match=r"^error: config: .+\Z"):
            validated_config(*renamed(where, name))


@pytest.mark.parametrize("values", [{"max_size": 2**31}, {"k": 10**400}, {"step": "0." + "0" * 300 + "1"}])
def test_numbers_that_no_path_or_computation_could_hold(values, validated_config):
    with pytest.raises(SystemExit, match=rf"^error: config: datasets.some.{next(iter(values))}\b.+\Z"):
        validated_config(ENTRY | values)


@pytest.mark.parametrize("key", ["max_size", "dim"])  # without and with a description of its own
def test_integers_that_are_too_large(key, validated_config):
    with pytest.raises(SystemExit, match=rf"{key} is 2147483648; an integer must be between .+ and 2147483647\Z"):
        validated_config(ENTRY | {key: 2**31})


JUNK = [
    None, True, -1, 0, 10**400, 1.5, float("nan"), float("inf"), "", "x" * 10_000, "../..", "a\nb", "5", [], {},
    [[]], {"a": 1}, {1: {None: 2}},
]  # fmt: skip


def test_any_value_in_any_place(validated_config):
    """Either it is accepted or refused with one sentence."""
    generator = np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        entry = copy.deepcopy(ENTRY)
        place = entry
        while True:
            key = (
                list(place)[generator.integers(len(place))]
                if isinstance(place, dict)
                else generator.integers(len(place))
            )
            if not isinstance(place[key], dict | list) or not place[key] or generator.random() < 0.3:
                break
            place = place[key]
        place[key] = JUNK[generator.integers(len(JUNK))]
        if isinstance(place, dict) and generator.random() < 0.2:
            place[JUNK[generator.integers(12)]] = place.pop(key)
        try:
            validated_config(entry)
        except SystemExit as error:
            refused += 1
            assert str(error).startswith("error: config: ")  # noqa: PT017
            assert "\n" not in str(error)  # noqa: PT017
    assert refused > 100
