"""Seconds and peak memory of pair features, scoring and propagation on a synthetic graph.

    python benchmarks/pairs.py [--samples 200000] [--dim 256] [--models 5] [--k 15] [--json FILE]

The graph is made, not searched: a sample's neighbours lie close to it on a circle. Features lie in files that
are mapped into memory, as the workflow's do. Each stage runs in a process of its own, compiled beforehand;
its peak memory is that of the process, with interpreter, libraries and what the stage has read.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from report import measured, parser, report

from cdp import CandidatePairs, Mediator, Neighbors, affinity, candidate_pairs, propagate
from cdp.features import load_features
from cdp.files import load_array, load_arrays, save_array, save_arrays


def synthetic_graph(n_samples: int, k: int, seed: int) -> Neighbors:
    """Row i: i itself, then k - 1 different samples at most 3 k places away on a circle (3 k < n_samples / 2).

    Samples lie on the circle in random order, the same for all seeds: neighbours are not close in memory.
    """
    order = np.random.default_rng(0).permutation(n_samples)
    generator = np.random.default_rng(seed)
    places = np.argpartition(generator.random((n_samples, 6 * k), np.float32), k - 1, axis=1)[:, : k - 1]
    offsets = np.where(places < 3 * k, places - 3 * k, places - 3 * k + 1)
    positions = np.arange(n_samples)[:, None]
    idx = order[np.hstack([positions, (positions + offsets) % n_samples])].astype(np.int32)
    dist = np.sort(generator.random((n_samples, k - 1), np.float32), axis=1)
    return Neighbors(
        idx[np.argsort(order)],
        np.hstack([np.zeros((n_samples, 1), np.float32), dist]),
    )


def pairs_stage(folder: Path, models: int) -> Iterator[None]:
    base = Neighbors(*load_arrays(folder / "0.npz", "idx", "dist"))
    committee = [load_arrays(folder / f"{m}.npz", "idx")[0] for m in range(1, models)]
    candidate_pairs(synthetic_graph(100, 5, 0), committee=[synthetic_graph(100, 5, 1).idx])
    yield
    candidates = candidate_pairs(base, committee)
    yield
    save_arrays(folder / "pairs.npz", **candidates._asdict())


def affinity_stage(folder: Path, models: int) -> Iterator[None]:
    (pairs,) = load_arrays(folder / "pairs.npz", "pairs")
    affinity([np.eye(2, dtype=np.float32)], pairs[:1] * 0)
    features = [load_features(folder / f"{m}.npy") for m in range(models)]
    yield
    cosines = affinity(features, pairs)
    yield
    save_array(folder / "affinity.npy", cosines)


def scoring_stage(folder: Path, models: int) -> Iterator[None]:
    candidates = CandidatePairs(*load_arrays(folder / "pairs.npz", *CandidatePairs._fields))
    columns = load_array(folder / "affinity.npy")
    mediator = Mediator(3 * models - 1)
    yield
    mediator.predict_pairs(candidates, columns, inputs="111")
    yield


def propagation_stage(folder: Path, n_samples: int, lowest: float) -> Iterator[None]:
    (pairs,) = load_arrays(folder / "pairs.npz", "pairs")
    scores = np.random.default_rng(0).random(len(pairs), np.float32)
    propagate(pairs[:1], scores[:1], n_samples)
    kept = scores > lowest
    pairs, scores = pairs[kept], scores[kept]
    yield
    propagate(pairs, scores, n_samples)
    yield


def main() -> None:
    options = parser(__doc__, "pairs")
    options.add_argument("--samples", type=int, default=200_000)
    options.add_argument("--dim", type=int, default=256)
    options.add_argument("--models", type=int, default=5)
    options.add_argument("--k", type=int, default=15)
    options.add_argument("--without-features", action="store_true", help="leave affinity out; its values are made up")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for m in range(arguments.models):
            graph = synthetic_graph(arguments.samples, arguments.k, m)
            save_arrays(folder / f"{m}.npz", idx=graph.idx, dist=graph.dist)
        rows = [measured("pairs", pairs_stage, folder, arguments.models)]
        if arguments.without_features:
            (pairs,) = load_arrays(folder / "pairs.npz", "pairs")
            save_array(folder / "affinity.npy", np.zeros((len(pairs), arguments.models), np.float32))
        else:
            for m in range(arguments.models):
                features = np.random.default_rng(m).standard_normal((arguments.samples, arguments.dim), np.float32)
                save_array(folder / f"{m}.npy", features)
            rows.append(measured("affinity", affinity_stage, folder, arguments.models))
        rows.append(measured("scoring by mediator", scoring_stage, folder, arguments.models))
        for stage, lowest in (("propagation, all pairs", -1.0), ("propagation, best fifth", 0.8)):
            rows.append(measured(stage, propagation_stage, folder, arguments.samples, lowest))
    report(arguments, rows)


if __name__ == "__main__":
    main()
