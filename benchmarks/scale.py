"""Seconds and peak memory of the stages after the kNN search, on generated graphs of up to 100 million edges.

    python benchmarks/scale.py [--edges 1000000 10000000] [--k 15] [--models 5] [--dim 8] [--mem-mb 4000]
                               [--stages STAGE ...] [--json FILE]

The graphs are made, not searched: a sample's neighbours lie close to it on a circle, on which samples lie in random
order. Each stage does what its script does, from mapped files to the written file, in a process of its own that has
compiled before, within `--mem-mb`. `exponent` is the growth of the CPU seconds from one size to the next, as a power of
the number of pairs: 1 is linear. 100 million edges take about 15 GB of disk.
"""

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from report import Row, measured, parser, report

from cdp import CandidatePairs, Neighbors, affinity, candidate_pairs, evaluate, propagate
from cdp.confidence import confidence
from cdp.features import load_features
from cdp.files import (
    map_array,
    map_arrays,
    save_array,
    save_arrays,
    save_blocks,
    save_blocks_of_arrays,
    write_text,
)
from cdp.labels import format_labels, read_labels
from cdp.memory import affinity_at_a_time, edges_at_a_time, scores_at_a_time
from cdp.pairs import sample_ranges
from cdp.selection import load_kept_pairs
from cdp.voting import vote_scores

_STRATUM = 6  # places on the circle, of which one is a neighbour
_ROWS = 2**18  # made at a time
_BEST = 0.8  # threshold of random scores that a fifth of the pairs passes
_CLUSTER = 100  # neighbours on the circle that are of one made-up identity


def make_data(folder: Path, n_samples: int, k: int, models: int, dim: int) -> None:
    """A graph and features of each model, and identities."""
    order = np.random.default_rng(0).permutation(n_samples).astype(np.int32)
    place = np.empty_like(order)
    place[order] = np.arange(n_samples, dtype=np.int32)
    write_text(folder / "meta.txt", format_labels(place // _CLUSTER))
    strata = _STRATUM * (np.arange(k - 1) - (k - 1) // 2)

    def graph_rows(seed: int) -> Iterator[dict[str, np.ndarray]]:
        for start in range(0, n_samples, _ROWS):
            generator = np.random.default_rng([seed, start])
            own = np.arange(start, min(start + _ROWS, n_samples), dtype=np.int32)
            steps = strata + generator.integers(_STRATUM, size=(len(own), k - 1))
            steps += steps >= 0
            dist = np.sort(generator.random((len(own), k - 1), np.float32), axis=1)
            idx = order[(place[own][:, None] + steps) % n_samples]
            yield {"idx": np.column_stack([own, idx]), "dist": np.column_stack([np.zeros(len(own), np.float32), dist])}

    def feature_rows(seed: int) -> Iterator[np.ndarray]:
        generator = np.random.default_rng(seed)
        for start in range(0, n_samples, _ROWS):
            yield generator.standard_normal((min(_ROWS, n_samples - start), dim), np.float32).astype(np.float16)

    for m in range(models):
        save_blocks_of_arrays(folder / f"{m}.npz", graph_rows(m))
        save_blocks(folder / f"{m}.npy", feature_rows(m), shape=(n_samples, dim))


def pairs_stage(folder: Path, models: int, mem_mb: int) -> None:
    base = Neighbors(*map_arrays(folder / "0.npz", "idx", "dist"))
    members = [map_arrays(folder / f"{m}.npz", "idx")[0] for m in range(1, models)]
    n_samples, k = base.idx.shape
    ranges = sample_ranges(base, edges=edges_at_a_time(mem_mb, n_samples=n_samples, k=k, models=models))
    blocks = (candidate_pairs(base, members, samples=samples)._asdict() for samples in ranges)
    save_blocks_of_arrays(folder / "pairs.npz", blocks, n_samples=np.int64(n_samples))


def affinity_stage(folder: Path, models: int, mem_mb: int) -> None:
    (pairs,) = map_arrays(folder / "pairs.npz", "pairs")
    features = [load_features(folder / f"{m}.npy") for m in range(models)]
    n_samples, dim = features[0].shape
    size, rows = affinity_at_a_time(mem_mb, n_samples=n_samples, n_pairs=len(pairs), dim=dim, models=models)
    parts = (pairs[start : start + size] for start in range(0, len(pairs), size))
    blocks = (affinity(features, part, rows=rows) for part in parts)
    save_blocks(folder / "affinity.npy", blocks, shape=(len(pairs), models))


def vote_stage(folder: Path, models: int, mem_mb: int) -> None:
    candidates = CandidatePairs(*map_arrays(folder / "pairs.npz", *CandidatePairs._fields))
    save_array(folder / "scores.npy", vote_scores(candidates, accept=0))


def mediator_stage(folder: Path, models: int, mem_mb: int) -> None:
    from cdp import Mediator  # torch takes memory, which the other stages do without

    candidates = CandidatePairs(*map_arrays(folder / "pairs.npz", *CandidatePairs._fields))
    columns = map_array(folder / "affinity.npy")
    rows = scores_at_a_time(mem_mb, n_pairs=len(columns), models=models)
    save_array(
        folder / "mediator.npy", Mediator(3 * models - 1).predict_pairs(candidates, columns, inputs="111", rows=rows)
    )


def propagate_all_stage(folder: Path, models: int, mem_mb: int) -> None:
    cluster(folder, -1)


def propagate_best_stage(folder: Path, models: int, mem_mb: int) -> None:
    cluster(folder, _BEST)


def cluster(folder: Path, threshold: float) -> None:
    kept, scores, n_samples = load_kept_pairs(folder / "pairs.npz", folder / "scores.npy", threshold)
    write_text(folder / "clusters.txt", format_labels(propagate(kept, scores, n_samples)))


def evaluate_stage(folder: Path, models: int, mem_mb: int) -> None:
    evaluate(read_labels(folder / "meta.txt"), read_labels(folder / "clusters.txt"))


def confidence_stage(folder: Path, models: int, mem_mb: int) -> None:
    kept, scores, _ = load_kept_pairs(folder / "pairs.npz", folder / "scores.npy", _BEST)
    save_arrays(folder / "confidence.npz", **confidence(kept, scores, read_labels(folder / "clusters.txt"))._asdict())


STAGES = {
    "pairs": pairs_stage,
    "affinity": affinity_stage,
    "vote": vote_stage,
    "mediator 111 on all pairs": mediator_stage,
    "propagate, all pairs": propagate_all_stage,
    "propagate, best fifth": propagate_best_stage,
    "evaluate": evaluate_stage,
    "confidence, best fifth": confidence_stage,
}


def timed(stage: str, small: Path, folder: Path, models: int, mem_mb: int) -> Iterator[None]:
    """The stage on small data, which compiles it, then on those that count."""
    STAGES[stage](small, models, mem_mb)
    yield
    STAGES[stage](folder, models, mem_mb)
    yield


def main() -> None:
    options = parser(__doc__, "scale")
    options.add_argument("--edges", type=int, nargs="+", default=[1_000_000, 10_000_000])
    options.add_argument("--k", type=int, default=15)
    options.add_argument("--models", type=int, default=5)
    options.add_argument("--dim", type=int, default=8)
    options.add_argument("--mem-mb", type=int, default=4000)
    options.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES), help="in this order")
    arguments = options.parse_args()
    rows: list[Row] = []
    before: dict[str, Row] = {}
    for edges in arguments.edges:
        with tempfile.TemporaryDirectory() as small_name, tempfile.TemporaryDirectory() as name:
            small, folder = Path(small_name), Path(name)
            make_data(small, 1000, arguments.k, arguments.models, arguments.dim)
            make_data(folder, edges // (arguments.k - 1), arguments.k, arguments.models, arguments.dim)
            now = {}
            for stage in arguments.stages:
                figures = measured(stage, timed, stage, small, folder, arguments.models, arguments.mem_mb)
                samples, pairs = (len(array) for array in sizes(folder))
                now[stage] = {"samples": samples, "pairs": pairs} | figures
                print(now[stage], flush=True)
                rows.append(now[stage] | {"exponent": growth(before.get(stage), now[stage])})
            before = now
    report(arguments, rows)


def sizes(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    return map_arrays(folder / "0.npz", "idx") + map_arrays(folder / "pairs.npz", "pairs")


def growth(before: Row | None, now: Row) -> float | str:
    """The exponent of the growth of CPU seconds with pairs; empty for the first size."""
    if before is None:
        return ""
    ratios = (now[key] / before[key] for key in ("cpu_seconds", "pairs"))
    return round(math.log(next(ratios)) / math.log(next(ratios)), 2)


if __name__ == "__main__":
    main()
