"""Seconds and peak memory of pair features and propagation on a synthetic graph.

    python benchmarks/pairs.py [--samples 200000] [--dim 256] [--models 5] [--k 15]

The graph is made, not searched: a sample's neighbours lie close to it on a circle. Features lie in files
that are mapped into memory, as the workflow's do. Compilation is paid for by a first run on a small graph.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from cdp import Neighbors, affinity, candidate_pairs, propagate
from cdp.threads import usable_threads


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


def measure(n_samples: int, dim: int, models: int, k: int) -> dict[str, float]:
    """Run all stages once; seconds by stage."""
    base, *committee = (synthetic_graph(n_samples, k, seed) for seed in range(models))
    seconds = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{model}.npy" for model in range(models)]
        for seed, path in enumerate(paths):
            np.save(path, np.random.default_rng(seed).standard_normal((n_samples, dim), np.float32))
        start = time.perf_counter()
        candidates = candidate_pairs(base, committee)
        seconds["votes, relationship, structure"] = time.perf_counter() - start
        start = time.perf_counter()
        affinity([np.load(path, mmap_mode="r", allow_pickle=False) for path in paths], candidates.pairs)
        seconds["affinity"] = time.perf_counter() - start
    scores = np.random.default_rng(0).random(len(candidates.pairs), np.float32)
    for name, kept in (("propagation, all pairs", scores >= 0), ("propagation, best fifth", scores > 0.8)):
        start = time.perf_counter()
        propagate(candidates.pairs[kept], scores[kept], n_samples)
        seconds[f"{name} ({np.count_nonzero(kept):,})"] = time.perf_counter() - start
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=200_000)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--models", type=int, default=5)
    parser.add_argument("--k", type=int, default=15)
    arguments = parser.parse_args()
    measure(1000, arguments.dim, arguments.models, arguments.k)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = measure(arguments.samples, arguments.dim, arguments.models, arguments.k)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"{arguments.samples:,} samples, {arguments.models} models, dim {arguments.dim}, {usable_threads()} threads")
    for stage, value in seconds.items():
        print(f"{stage:42} {value:6.2f} s")
    print(f"{'peak memory':42} {peak / 2**20:6.2f} GiB ({before / 2**20:.2f} before)")


if __name__ == "__main__":
    main()
