"""Declare a data set of your own: python -m cdp.init NAME --features a.npy b.bin [options], beside the Snakefile.

Inspects the files, links to them from data/, writes config/datasets/NAME.yaml, says what it found and what to run.
"""

import argparse
import os
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from cdp.features import load_features
from cdp.files import atomic_path
from cdp.labels import read_labels, read_lines
from cdp.thinning import thin

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_SUFFIXES = (".npy", ".bin")
_BLOCK = 4096  # rows that are inspected at once
_UNIT = 0.01  # how far a length may be from 1 for features to count as normalised
_DEFAULT_MAX_SIZE = 600


def inspect_features(features: np.ndarray, *, name: str | os.PathLike[str]) -> dict[str, Any]:
    """What is to be known of a model's features before they are clustered.

    Parameters
    ----------
    features : array of shape (n_samples, dim), float
        May be mapped; read block by block.
    name : str or path
        What an error message calls them.

    Returns
    -------
    dict
        ``samples``, ``dim``, ``dtype``; ``norms`` (least, median and greatest length of a row); ``repeated`` (number of
        rows that equal an earlier one to the bit) and ``repeats`` (the first such row and the row it repeats, or None).

    Raises
    ------
    ValueError
        If rows are all zeros or hold NaN or infinity: says how many, and which is the first.
    """
    norms = np.empty(len(features))
    first_seen: dict[bytes, int] = {}
    repeated, repeats = 0, None
    for start in range(0, len(features), _BLOCK):
        block = np.ascontiguousarray(features[start : start + _BLOCK])
        with np.errstate(over="ignore", invalid="ignore"):
            norms[start : start + len(block)] = np.linalg.norm(block.astype(np.float64), axis=1)
        for row, content in enumerate(block, start):
            earlier = first_seen.setdefault(blake2b(content, digest_size=16).digest(), row)
            if earlier != row:
                repeated += 1
                repeats = repeats or (row, earlier)
    for bad, what in ((~np.isfinite(norms), "hold NaN or infinity"), (norms == 0, "are all zeros")):
        if bad.any():
            raise ValueError(
                f"{name}: {bad.sum():,} of {len(norms):,} rows {what}, the first is row {bad.argmax()} (from 0); "
                "remove or re-extract those samples in all files"
            )
    return {
        "samples": len(features),
        "dim": features.shape[1],
        "dtype": str(features.dtype),
        "norms": tuple(float(f(norms)) for f in (np.min, np.median, np.max)),
        "repeated": repeated,
        "repeats": repeats,
    }


def dataset_config(
    models: Sequence[str],
    *,
    labeled: bool = False,
    labeled_set: str | None = None,
    dims: Mapping[str, int] | None = None,
    max_size: int | None = None,
) -> dict[str, Any]:
    """The entry of a data set in the config: the first model is the base, the committees are ``single`` and ``all``.

    Parameters
    ----------
    models : sequence of str
    labeled : bool
        A labelled set has no experiments; mediators are trained on it.
    labeled_set : str, optional
        The labelled set on which mediators are trained and thresholds chosen; without one the most stable clusters are.
    dims : mapping of model to int, optional
        Of the raw files, which do not say their width.
    max_size : int, optional
        If it is to differ from that of config.yaml.
    """
    base, *members = models
    entry: dict[str, Any] = {"kind": "labeled"} if labeled else {}
    entry |= {"dim": dict(dims)} if dims else {}
    entry |= {"labeled": labeled_set} if labeled_set else {}
    entry |= {"models": list(models)}
    entry |= {"max_size": max_size} if max_size else {}
    entry["committees"] = {"single": {"base": base}}
    experiments: list[dict[str, Any]] = [{"strategy": "vote", "committee": "single", "threshold": "auto"}]
    if members:
        entry["committees"]["all"] = {"base": base, "members": members}
        accept = "auto" if labeled_set else 1
        experiments.append({"strategy": "vote", "committee": "all", "accept": accept, "threshold": "auto"})
        if labeled_set:
            experiments.append({"strategy": "mediator", "committee": "all", "inputs": "111", "threshold": "auto"})
    return entry if labeled else entry | {"experiments": experiments}


def declare_dataset(
    name: str,
    features: Sequence[str | os.PathLike[str]],
    *,
    list_path: str | os.PathLike[str] | None = None,
    labels_path: str | os.PathLike[str] | None = None,
    dim: int | None = None,
    labeled: bool = False,
    labeled_set: str | None = None,
    samples_per_identity: float | None = None,
    root: str | os.PathLike[str] = ".",
) -> list[str]:
    """Inspect the files of a data set, link to them from ``data/``, and write its config.

    Parameters
    ----------
    name : str
    features : sequence of paths
        ``MODEL.npy`` or ``MODEL.bin`` (raw float32), the base model first.
    list_path, labels_path : path, optional
        A line a sample; an integer identity a line.
    dim : int, optional
        Columns of the ``.bin`` files; needed where no other file tells the number of samples.
    labeled : bool
        Whether mediators are to be trained on it.
    labeled_set : str, optional
        A labelled set of the same models that is declared already: to train mediators and choose thresholds on.
    samples_per_identity : float, optional
        Of a labelled set: make copies with so many samples an identity instead of links, see `cdp.thinning.thin`.
    root : path
        The folder of the Snakefile.

    Returns
    -------
    list of str
        What was found and done, and what to run, in sentences.

    Raises
    ------
    ValueError
        At the first fault, before anything is written. Nothing that exists is ever replaced.
    """
    root = Path(root)
    config = root / "config" / "datasets" / f"{name}.yaml"
    _check_name(name, "data set")
    if not config.parent.is_dir():
        raise ValueError(f"there is no folder {config.parent}; run this in the folder of the Snakefile")
    if config.exists():
        raise ValueError(f"{config} exists and is left as it is; choose another name, or remove it first")
    if labeled and labels_path is None:
        raise ValueError("a labelled set needs labels; give --labels")
    if labeled and labeled_set is not None:
        raise ValueError("a labelled set is its own; leave out --labeled or --labeled-set")
    if samples_per_identity is not None and not labeled:
        raise ValueError("just a labelled set can be thinned; give --labeled, or leave out --samples-per-identity")
    folder = root / "data" / ("labeled" if labeled else "unlabeled") / name
    models = _models(features)
    if labeled_set is not None:
        _check_labeled_set(labeled_set, config.parent, dataset_config(list(models)))
    places = {folder / "features" / path.name: path for path in models.values()}
    lists = {"list.txt": list_path, "meta.txt": labels_path}
    places |= {folder / file: Path(path) for file, path in lists.items() if path is not None}
    for path in places.values():
        if not path.is_file():
            raise ValueError(f"{path} is no file; give the path of one")
    _check_places(places, folder, links=samples_per_identity is None)

    lines = None if list_path is None else read_lines(list_path)
    found: list[str] = []
    counts = {} if lines is None else {str(list_path): len(lines)}
    dims: dict[str, int] = {}
    for model, path in models.items():
        if path.suffix == ".bin":
            dims[model] = dim or _dim_of(path, counts)
        figures = inspect_features(load_features(path, dim=dims.get(model)), name=path)
        counts[str(path)] = figures["samples"]
        _check_count(counts, path)
        found += _feature_sentences(path, figures)
    n_samples = next(iter(counts.values()))
    if lines is not None:
        found.append(_list_sentence(list_path, lines))
    max_size, rows = None, None
    if labels_path is not None:
        labels = read_labels(labels_path, n_samples=n_samples)
        sizes = _identity_sizes(labels)
        found.append(f"{labels_path}: {len(sizes):,} identities of {sizes.min():,} to {sizes.max():,} samples.")
        if samples_per_identity is not None:
            rows = thin(labels, samples_per_identity)
            n_samples, sizes = len(rows), _identity_sizes(labels[rows])
            found.append(
                f"Of them {n_samples:,} samples are taken by chance, {n_samples / len(sizes):.4g} an identity."
            )
        max_size = int(sizes.max()) if sizes.max() > _DEFAULT_MAX_SIZE else None

    for place, path in places.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        if rows is None and not place.exists():
            place.symlink_to(os.path.abspath(path))
    if rows is not None:
        _copy_all(places, rows, dims)
    entry = dataset_config(list(models), labeled=labeled, labeled_set=labeled_set, dims=dims, max_size=max_size)
    with atomic_path(config) as temporary:
        taken = f" taken by chance of {labels_path}" if rows is not None else ""
        temporary.write_text(_config_text(entry, n_samples, taken), encoding="utf-8")
    done = [
        f"{folder} holds links to these files; leave them where they are, or put copies in place of the links."
        if rows is None
        else f"{folder} holds copies of these samples' rows.",
        f"{config} declares the data set: base model {next(iter(models))}, "
        f"{'committees single and all' if len(models) > 1 else 'committee single'}.",
    ]
    return [*found, *done, *_next_steps(name, labeled)]


def _check_name(name: str, what: str) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{name!r} cannot be the name of a {what}; it must begin with a letter or digit and consist of letters, "
            "digits and . _ - (at most 100)"
        )


def _models(features: Sequence[str | os.PathLike[str]]) -> dict[str, Path]:
    """Feature files by the name of their model."""
    models: dict[str, Path] = {}
    for path in map(Path, features):
        if path.suffix not in _SUFFIXES:
            raise ValueError(f"{path} is neither .npy nor .bin (raw float32); export the features as one of them")
        _check_name(path.stem, "model")
        if path.stem in models:
            raise ValueError(f"{models[path.stem]} and {path} are both of a model {path.stem!r}; rename one")
        models[path.stem] = path
    return models


def _check_labeled_set(name: str, folder: Path, entry: Mapping[str, Any]) -> None:
    """It must be declared, labelled, and have the committees of the data set's entry, of which mediators judge."""
    _check_name(name, "labelled set")
    config = folder / f"{name}.yaml"
    if not config.is_file():
        raise ValueError(f"there is no {config}, which would declare {name}; declare it first, with --labeled")
    declared = yaml.safe_load(config.read_text(encoding="utf-8")) or {}
    if declared.get("kind") != "labeled":
        raise ValueError(f"{config} does not declare a labelled set; name one that has `kind: labeled`")
    for committee, own in entry["committees"].items():
        other = declared.get("committees", {}).get(committee, {})
        if [other.get("base"), other.get("members", [])] != [own["base"], own.get("members", [])]:
            raise ValueError(
                f"{config} has no committee {committee!r} of base {own['base']} and members {own.get('members', [])}; "
                "give the features of the same models, in the same order"
            )


def _check_places(places: Mapping[Path, Path], folder: Path, *, links: bool) -> None:
    """Nothing else may stand where the files will be, nor beside them where it would be taken for one of them."""
    for place, path in places.items():
        if os.path.lexists(place) and not (links and place.exists() and place.samefile(path)):
            raise ValueError(
                f"{place} exists and is left as it is; choose another name for the data set, or move it away"
            )
    twins = [place.with_suffix(suffix) for place in places if place.suffix in _SUFFIXES for suffix in _SUFFIXES]
    for other in (*twins, folder / "list.txt", folder / "meta.txt"):
        if os.path.lexists(other) and other not in places:
            raise ValueError(f"{other} is there already and would be taken for a part of the data set; move it away")


def _dim_of(path: Path, counts: Mapping[str, int]) -> int:
    """Columns of a raw file, from its size and the number of samples in another file."""
    if not counts:
        raise ValueError(
            f"{path} is a raw file, which does not say its width; give --dim, or --list, or an .npy file before it"
        )
    other, samples = next(iter(counts.items()))
    size = path.stat().st_size
    if samples == 0 or size == 0 or size % (4 * samples):
        raise ValueError(
            f"{path} has {size:,} bytes, which is no multiple of 4 x {samples:,} (float32 x the samples of {other}); "
            "correct one of the files"
        )
    return size // (4 * samples)


def _identity_sizes(labels: np.ndarray) -> np.ndarray:
    return np.unique(labels, return_counts=True)[1]


def _copy_all(places: Mapping[Path, Path], rows: np.ndarray, dims: Mapping[str, int]) -> None:
    """Copy rows of all files, or of none."""
    try:
        for place, path in places.items():
            _copy_rows(path, place, rows, dims)
    except OSError:
        for place in places:
            place.unlink(missing_ok=True)
        raise


def _copy_rows(path: Path, place: Path, rows: np.ndarray, dims: Mapping[str, int]) -> None:
    """Copy rows of a feature file, or lines of a list."""
    with atomic_path(place) as temporary, open(temporary, "wb") as file:
        if place.suffix == ".npy":
            np.save(file, load_features(path)[rows], allow_pickle=False)
        elif place.suffix == ".bin":
            file.write(load_features(path, dim=dims[path.stem])[rows].tobytes())
        else:
            lines = read_lines(path)
            file.writelines(f"{lines[row]}\n".encode() for row in rows.tolist())


def _check_count(counts: Mapping[str, int], path: Path) -> None:
    first, n_samples = next(iter(counts.items()))
    if counts[str(path)] != n_samples:
        raise ValueError(
            f"{path} has {counts[str(path)]:,} samples but {first} has {n_samples:,}; all files of a data set must be "
            "of the same samples, in the same order"
        )


def _feature_sentences(path: Path, figures: Mapping[str, Any]) -> list[str]:
    least, middle, most = figures["norms"]
    lengths = "rows of length 1"
    if least < 1 - _UNIT or most > 1 + _UNIT:
        lengths = f"rows of length {least:.3g} to {most:.3g}, {middle:.3g} in the middle (they are normalised for use)"
    sentences = [f"{path}: {figures['samples']:,} samples x {figures['dim']}, {figures['dtype']}, {lengths}."]
    if figures["repeated"]:
        row, earlier = figures["repeats"]
        sentences.append(
            f"  Rows that repeat an earlier one to the bit: {figures['repeated']:,}, the first is row {row} (as row "
            f"{earlier}). They will share a cluster; remove them if they are no samples of their own."
        )
    return sentences


def _list_sentence(path: str | os.PathLike[str] | None, lines: Sequence[str]) -> str:
    often = [name for name, count in Counter(lines).items() if count > 1]
    more = f", {len(often):,} of them more than once, such as {often[0]!r}" if often else ""
    return f"{path}: {len(lines):,} names{more}."


def _config_text(entry: Mapping[str, Any], n_samples: int, taken: str = "") -> str:
    """YAML under a comment that says how to go on."""
    if entry.get("kind") == "labeled":
        hint = "Name it under `labeled:` in a data set with the same committees, to train mediators for that one."
    else:
        how = f"on {entry['labeled']}" if "labeled" in entry else "for stable clusters, better on a `labeled:` set"
        hint = f"auto: chosen {how}; or a number: higher gives purer clusters and discards more (docs/thresholds.md)."
    text = yaml.safe_dump(dict(entry), sort_keys=False, default_flow_style=None, width=110)
    return f"# {n_samples:,} samples{taken}, declared by cdp.init.\n# {hint}\n{text}"


def _next_steps(name: str, labeled: bool) -> list[str]:
    if labeled:
        return [
            f"Now name it in the data set that you will cluster: `--labeled-set {name}` here, or `labeled: {name}` in "
            "its config, with the same committees."
        ]
    return [f"Now run: snakemake results/{name}/report/index.html"]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m cdp.init", description="Declare a data set of your own.")
    parser.add_argument("name", metavar="NAME", help="of the data set")
    parser.add_argument(
        "--features", nargs="+", required=True, metavar="FILE", help="MODEL.npy or MODEL.bin, the base model first"
    )
    parser.add_argument("--list", metavar="FILE", help="a line a sample")
    parser.add_argument("--labels", metavar="FILE", help="an integer identity a line")
    parser.add_argument("--dim", type=int, help="columns of .bin files, if no other file tells the number of samples")
    parser.add_argument("--labeled", action="store_true", help="train mediators on it")
    parser.add_argument(
        "--labeled-set",
        metavar="NAME",
        help="a labelled set of the same models, to train mediators, choose thresholds on",
    )
    parser.add_argument(
        "--samples-per-identity",
        type=float,
        metavar="N",
        help="take so many samples an identity of a labelled set, as in the set that you will cluster",
    )
    options = parser.parse_args(arguments)
    try:
        if options.dim is not None and options.dim < 1:
            raise ValueError(f"--dim is {options.dim}; it must be at least 1")
        sentences = declare_dataset(
            options.name,
            options.features,
            list_path=options.list,
            labels_path=options.labels,
            dim=options.dim,
            labeled=options.labeled,
            labeled_set=options.labeled_set,
            samples_per_identity=options.samples_per_identity,
        )
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(*sentences, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
