"""Mistakes that users make: one sentence that names file or key, value and remedy; exit code 1; no traceback."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml

from tests.workflow.helpers import dry_run, edit_yaml, snakemake

SETTINGS = {
    "models": ["a", "b"],
    "committees": {"single": {"base": "a"}, "both": {"base": "a", "members": ["b"]}},
    "experiments": [{"strategy": "vote", "committee": "both", "accept": 1, "threshold": "0.5"}],
}


@pytest.fixture
def tiny(code):
    """A data set of 60 samples in 6 tight groups, as .npy (a) and .bin (b), with list and labels."""
    folder = code / "data/unlabeled/tiny"
    (folder / "features").mkdir(parents=True)
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(6), 10)
    for model in "ab":
        features = generator.normal(size=(6, 8))[groups] + 0.1 * generator.normal(size=(60, 8))
        np.save(folder / f"features/{model}.npy", features.astype(np.float32))
    np.load(folder / "features/b.npy").tofile(folder / "features/b.bin")
    (folder / "features/b.npy").unlink()
    (folder / "list.txt").write_text("".join(f"sample {i}\n" for i in range(60)))
    (folder / "meta.txt").write_text("".join(f"{g}\n" for g in groups))
    (code / "config/datasets/tiny.yaml").write_text(yaml.safe_dump({**SETTINGS, "dim": 8}))
    edit_yaml(code / "config/config.yaml", lambda config: config.update(tables=["tiny"]))
    return code


def refusal(folder, *arguments):
    """The sentence with which a run ends, or a dry one (-n)."""
    if "-n" in arguments:
        well, output = dry_run(folder, *arguments)
        assert not well, output
    else:
        done = snakemake(folder, *arguments, check=False)
        output = done.stdout
        assert done.returncode == 1, output
    assert "Traceback" not in output, output
    sentences = {line for line in output.splitlines() if line.startswith("error: ")}
    assert len(sentences) == 1, output
    return sentences.pop()


def set_config(folder, **values):
    edit_yaml(folder / "config/datasets/tiny.yaml", lambda config: config.update(values))


def set_experiment(folder, **values):
    set_config(folder, experiments=[SETTINGS["experiments"][0] | values])


def computed(folder):
    return sorted(path.name for path in (folder / "results").rglob("*.npz"))


def test_list_and_labels_are_optional(tiny):
    (tiny / "data/unlabeled/tiny/list.txt").unlink()
    (tiny / "data/unlabeled/tiny/meta.txt").unlink()
    snakemake(tiny)
    table = (tiny / "results/tiny/table.md").read_text()
    assert "60 samples, no labels" in table
    assert table.count("n/a") == 5  # precision, recall, F, BCubed F, NMI
    single = next(line for line in (tiny / "results/tiny/table.csv").read_text().splitlines()[1:])
    assert ",n/a," in single


# --- features and their companions: refused before any graph is computed


def damage_size(folder):
    with open(folder / "features/b.bin", "ab") as file:
        file.write(b"123")


def fewer_rows(folder):
    np.load(folder / "features/a.npy")[:59].tofile(folder / "features/b.bin")


def put_value(value):
    def damage(folder):
        features = np.load(folder / "features/a.npy")
        features[17] = value if value == 0 else [value, *features[17, 1:]]
        np.save(folder / "features/a.npy", features)

    return damage


def truncate_npy(folder):
    data = (folder / "features/a.npy").read_bytes()
    (folder / "features/a.npy").write_bytes(data[: len(data) // 2])


def write(name, text):
    return lambda folder: (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damage_size, ["features/b.bin", "1923 bytes", "multiple of 32", "dim"]),
        (fewer_rows, ["features/b.bin", "59 samples", "features/a.npy", "60"]),
        (put_value(np.nan), ["features/a.npy", "row 17", "NaN"]),
        (put_value(np.inf), ["features/a.npy", "row 17", "infinity"]),
        (put_value(0), ["features/a.npy", "row 17", "all zeros"]),
        (truncate_npy, ["features/a.npy", "not a readable .npy"]),
        (lambda folder: (folder / "features/b.bin").write_bytes(b""), ["features/b.bin", "empty"]),
        (lambda folder: np.save(folder / "features/a.npy", np.ones((60, 8), int)), ["features/a.npy", "int64"]),
        (
            lambda folder: np.save(folder / "features/a.npy", np.ones((60, 9))),
            ["features/a.npy", "9 columns", "not the 8 that dim says"],
        ),
        (lambda folder: np.save(folder / "features/b.npy", np.ones((60, 8))), ["b.npy", "b.bin", "both"]),
        (lambda folder: (folder / "features/a.npy").unlink(), ["features/a.npy is missing", "model 'a'"]),
        (write("list.txt", "one\ntwo\n"), ["list.txt", "2 lines", "60 samples"]),
        (write("list.txt", ""), ["list.txt", "empty"]),
        (write("meta.txt", "1\n" * 30 + "x\n" + "1\n" * 29), ["meta.txt", "line 31", "'x'", "integer"]),
        (write("meta.txt", "1.0\n" * 60), ["meta.txt", "line 1", "'1.0'"]),
        (write("meta.txt", "1\n" * 59), ["meta.txt", "59", "60"]),
    ],
)
def test_bad_files(damage, words, tiny):
    damage(tiny / "data/unlabeled/tiny")
    sentence = refusal(tiny)
    assert all(word in sentence for word in words), sentence
    assert not [name for name in computed(tiny) if name == "pairs.npz"]


def test_bin_without_dim(tiny):
    edit_yaml(tiny / "config/datasets/tiny.yaml", lambda config: config.pop("dim"))
    assert "b.bin" in (sentence := refusal(tiny))
    assert "dim" in sentence


# --- the configuration: refused at once


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"strategy": "votes"}, ["experiments[0].strategy", "'votes'", "vote, mediator, ground_truth"]),
        ({"committee": "trio"}, ["experiments[0].committee", "'trio'", "both, single"]),
        ({"accept": 2}, ["experiments[0].accept is 2", "only 1 members"]),
        ({"threshold": "1.5"}, ["experiments[0].threshold", "'1.5'", "below 1"]),
        ({"threshold": "-2"}, ["experiments[0].threshold", "'-2'", "at least -1"]),
        ({"threshold": "half"}, ["experiments[0].threshold", "'half'", "decimal"]),
        ({"k": 1}, ["experiments[0].k", "is 1; it must be an integer, at least 2"]),
        ({"max_size": 0}, ["experiments[0].max_size", "is 0; it must be an integer, at least 1"]),
        ({"step": 2}, ["experiments[0].step is 2", "at most 1"]),
        ({"treshold": "0.5"}, ["'treshold'", "did you mean 'threshold'"]),
        ({"strategy": "mediator", "accept": None}, ["accept"]),
        ({"k": 15.0}, ["experiments[0].k", "15.0", "integer"]),
        ({"accept": 1.0}, ["experiments[0].accept", "1.0", "integer"]),
        ({"threshold": 0.00001}, ["experiments[0].threshold", "1e-05", "quoted decimal"]),
        ({"threshold": "0.5\n"}, ["experiments[0].threshold", "decimal"]),
        ({"committee": "both\n"}, ["experiments[0].committee"]),
        ({"inputs": 8}, ["experiments[0].inputs is 8", "three digits in quotes"]),
        ({"k": "{"}, ["experiments[0].k", "'{'"]),
    ],
)
def test_bad_experiment(change, words, tiny):
    set_experiment(tiny, **change)
    sentence = refusal(tiny, "-n")
    assert all(word in sentence for word in words), sentence


def test_mediator_without_labelled_set(tiny):
    set_config(tiny, experiments=[{"strategy": "mediator", "committee": "both", "threshold": "0.9"}])
    assert "labelled set" in refusal(tiny, "-n")


def test_missing_threshold(tiny):
    set_config(tiny, experiments=[{"strategy": "vote", "committee": "both"}])
    assert "experiments[0].threshold" in refusal(tiny, "-n")


def test_experiment_given_twice(tiny):
    set_config(tiny, experiments=SETTINGS["experiments"] * 2)
    assert "experiments[1]" in (sentence := refusal(tiny, "-n"))
    assert "repeats experiments[0]" in sentence


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"sweep": {"thresholds": ["2.0"]}}, ["sweep.thresholds", "'2.0'", "below 1"]),
        ({"sweep": {"thresholds": [float("nan")]}}, ["sweep.thresholds", "nan"]),
        ({"soft_propagation": {"decay": float("nan")}}, ["soft_propagation.decay", "nan"]),
        ({"propagation": {"max_iter": 100.0}}, ["propagation.max_iter", "100.0", "integer"]),
        ({"propagation": {"step": "0.05 "}}, ["propagation.step", "decimal"]),
    ],
)
def test_bad_settings(config, words, tiny):
    edit_yaml(tiny / "config/config.yaml", lambda settings: settings.update(config))
    sentence = refusal(tiny, "-n")
    assert all(word in sentence for word in words), sentence


def test_empty_or_invalid_config(tiny):
    (tiny / "config/config.yaml").write_text("")
    assert "'tables' is missing; give it a value" in refusal(tiny, "-n")
    (tiny / "config/config.yaml").write_text("tables: [demo\n")
    assert "config.yaml is not valid YAML" in refusal(tiny, "-n")


def test_bad_values_in_a_path(tiny):
    clusters = "sz600_step0.05/meta.txt"
    assert "only 1 members" in refusal(tiny, "-n", f"results/tiny/both/k15_vote_accept2_th0.5/{clusters}")
    assert "at least 2" in refusal(tiny, "-n", f"results/tiny/both/k1_vote_accept1_th0.5/{clusters}")


def labelled_twin(tiny, **settings):
    shutil.copytree(tiny / "data/unlabeled/tiny", tiny / "data/labeled/twin")
    entry = {key: SETTINGS[key] for key in ("models", "committees")} | {"kind": "labeled", "dim": 8} | settings
    (tiny / "config/datasets/twin.yaml").write_text(yaml.safe_dump(entry))
    set_config(tiny, labeled="twin")


def test_labelled_set_with_another_committee(tiny):
    labelled_twin(tiny, committees={"single": {"base": "a"}, "both": {"base": "b", "members": ["a"]}})
    for target in ("results/tiny/both/k15_mediator_111_sweep/sz600_step0.05/sweep.csv", "sweeps"):
        sentence = refusal(tiny, "-n", target)
        assert "twin, whose committee 'both' must have the same base and members" in sentence


def test_sweeps_take_the_settings_of_the_data_set(tiny):
    labelled_twin(tiny)
    set_config(tiny, k=20, max_size=30)
    assert "results/twin/both/k20_vote_accept1_sweep/sz30_step0.05/sweep.csv" in dry_run(tiny, "sweeps")[1]


def test_sweep_without_anything_to_try(tiny):
    np.save(tiny / "data/unlabeled/tiny/features/a.npy", np.ones((60, 8), np.float32))
    sentence = refusal(tiny, "results/tiny/single/k15_vote_accept0_sweep/sz600_step0.05/sweep.csv")
    assert "no threshold to try" in sentence


def test_unknown_labelled_set(tiny):
    set_config(tiny, labeled="nothing")
    assert "datasets.tiny.labeled is 'nothing'" in refusal(tiny, "-n")


@pytest.mark.parametrize("threshold", ["auto", None])
def test_nothing_to_sweep(tiny, threshold):
    experiment = {"strategy": "vote", "committee": "both", "threshold": threshold}
    set_config(tiny, experiments=[experiment] if threshold else [{"strategy": "ground_truth", "committee": "both"}])
    assert refusal(tiny, "-n", "sweeps").startswith("error: nothing to sweep: no experiment of tables (tiny) has")


def test_unknown_model(tiny):
    set_config(tiny, committees={"both": {"base": "a", "members": ["c"]}})
    sentence = refusal(tiny, "-n")
    assert "datasets.tiny.committees.both.members[0] is 'c'" in sentence
    assert "a, b" in sentence


@pytest.mark.parametrize("name", ["../up", "a/b", "a b", "a\nb", "$(touch x)", "", "knn"])
def test_names_that_would_become_paths(name, tiny):
    set_config(tiny, committees={name: {"base": "a"}, "both": {"base": "a", "members": ["b"]}})
    assert "datasets.tiny.committees" in refusal(tiny, "-n")


def test_unknown_data_set(tiny):
    assert "'nope'" in refusal(tiny, "results/nope/table.md", "-n")
    assert "'nope'" in refusal(tiny, "-n", "--config", "tables=[nope]")


def test_unknown_key(tiny):
    assert "did you mean 'mediator'" in refusal(tiny, "-n", "--config", "mediatr={seed: 1}")


def test_invalid_yaml(tiny):
    (tiny / "config/datasets/tiny.yaml").write_text("models: [a, b\n")
    assert "tiny.yaml is not valid YAML" in refusal(tiny, "-n")


def test_value_on_the_command_line(tiny):
    assert "knn.k is 1; it must be an integer, at least 2" in refusal(tiny, "-n", "--config", 'knn={"k": 1}')
    assert "k=16" in dry_run(tiny, "--config", 'knn={"k": 16}')[1]


def test_backend_that_cannot_search_in_shards(tiny):
    sentence = refusal(tiny, "-n", "--config", 'knn={"shards": 2, "backend": "nmslib"}')
    assert sentence == "error: config: knn.shards is 2; nmslib searches in one piece; set 1, or backend: cells"


def test_own_config_file(tiny, tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text(yaml.safe_dump({"tables": ["mine"], "datasets": {"mine": {**SETTINGS, "dim": 8}}}))
    shutil.move(tiny / "data/unlabeled/tiny", tiny / "data/unlabeled/mine")
    snakemake(tiny, "results/mine/features/a.json", "--configfile", own)
    assert "results/mine/table.md" in dry_run(tiny, "--configfile", str(own))[1]


# --- while running: what is computed stays, the next run goes on from there


def test_no_pair_above_the_threshold(tiny):
    set_experiment(tiny, threshold="0.9999")
    sentence = refusal(tiny)
    assert "threshold 0.9999" in sentence
    assert "run from" in sentence
    assert "pairs.npz" in computed(tiny)
    set_experiment(tiny, threshold="0.5")
    done = snakemake(tiny)
    assert "kNN graph" not in done.stdout
    table = (tiny / "results/tiny/table.md").read_text()
    assert "60 samples, 6 identities" in table
    assert "k15 accept1 th0.5" in table


def test_damaged_mediator(finished_copy):
    path = finished_copy / "results/demo_labeled/all/k15/mediator_110.pt"
    path.write_bytes(path.read_bytes()[:1000])
    target = "results/demo/all/k15/scores_mediator_110.npy"
    sentence = refusal(finished_copy, target, "--forcerun", "score_pairs")
    assert "mediator_110.pt is damaged" in sentence


def test_read_only_results(tiny):
    """Root may write anywhere, so the run is deprived of that capability."""
    (tiny / "results").mkdir()
    (tiny / "results").chmod(0o555)
    deprived = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if subprocess.run([*deprived, "true"], check=False).returncode:
        deprived = []  # an ordinary user
    done = subprocess.run(
        [*deprived, sys.executable, "-m", "snakemake"], cwd=tiny, text=True, capture_output=True, check=False
    )
    output = done.stdout + done.stderr
    assert done.returncode == 1, output
    assert "Traceback" not in output, output
    assert "error: results is not writable" in output


def test_models_of_different_dims(tiny):
    """Of .npy files the width is known, of .bin files the config says it, model by model."""
    features = tiny / "data/unlabeled/tiny/features"
    np.save(features / "a.npy", np.hstack([np.load(features / "a.npy")] * 2).astype(np.float16))
    assert "16 columns" in refusal(tiny)
    set_config(tiny, dim={"b": 8})
    snakemake(tiny, "results/tiny/both/k15/affinity.npy")
    set_config(tiny, dim={"b": "eight"})
    assert "datasets.tiny.dim.b" in refusal(tiny, "-n")
