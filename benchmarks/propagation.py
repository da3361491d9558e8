"""Propagation against the definition round by round, with components by scipy and by networkx.

    python benchmarks/propagation.py [--samples 200000] [--k 15] [--max-size 600] [--step 0.05] [--json FILE]

All get the same synthetic graph (see pairs.py) with random scores, and must give the same partition.
"""

import time
from collections.abc import Callable

import networkx
import numpy as np
from pairs import synthetic_graph
from report import parser, report
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from cdp import candidate_pairs, propagate

Components = Callable[[np.ndarray, int], np.ndarray]


def by_scipy(pairs: np.ndarray, n_samples: int) -> np.ndarray:
    graph = coo_array((np.ones(len(pairs), np.int8), pairs.T), shape=(n_samples, n_samples))
    return connected_components(graph, directed=False)[1]


def by_networkx(pairs: np.ndarray, n_samples: int) -> np.ndarray:
    graph = networkx.Graph()
    graph.add_nodes_from(range(n_samples))
    graph.add_edges_from(pairs.tolist())
    component = np.empty(n_samples, np.int64)
    for number, samples in enumerate(networkx.connected_components(graph)):
        component[list(samples)] = number
    return component


def in_rounds(
    pairs: np.ndarray, scores: np.ndarray, n_samples: int, components: Components, max_size: int, step: float
) -> np.ndarray:
    """Propagation as in docs/definitions.md: in each round the components of the samples that are left."""
    labels = np.full(n_samples, -1)
    left = np.zeros(n_samples, bool)
    left[pairs] = True
    threshold, count = float(scores.min()), 0
    while left.any():
        kept = (scores >= threshold) & left[pairs[:, 0]] & left[pairs[:, 1]]
        pairs, scores = pairs[kept], scores[kept]
        component = components(pairs, n_samples)
        final = left & (np.bincount(component)[component] <= max_size)
        labels[final] = count + component[final]
        count += n_samples
        left &= ~final
        threshold += (1 - threshold) * step
    return labels


def same_partition(a: np.ndarray, b: np.ndarray) -> bool:
    both = len(np.unique(np.stack([a, b]), axis=1).T)
    return bool(((a < 0) == (b < 0)).all()) and both == len(np.unique(a)) == len(np.unique(b))


def main() -> None:
    options = parser(__doc__, "propagation")
    options.add_argument("--samples", type=int, default=200_000)
    options.add_argument("--k", type=int, default=15)
    options.add_argument("--max-size", type=int, default=600)
    options.add_argument("--step", type=float, default=0.05)
    arguments = options.parse_args()
    n_samples, limits = arguments.samples, {"max_size": arguments.max_size, "step": arguments.step}
    pairs = candidate_pairs(synthetic_graph(n_samples, arguments.k, 0)).pairs
    scores = np.random.default_rng(0).random(len(pairs), np.float32)
    propagate(pairs[:1], scores[:1], n_samples)  # compiles
    rows, partitions = [], []
    for name, method in {
        "cdp.propagate": lambda: propagate(pairs, scores, n_samples, **limits),
        "scipy, round by round": lambda: in_rounds(pairs, scores, n_samples, by_scipy, **limits),
        "networkx, round by round": lambda: in_rounds(pairs, scores, n_samples, by_networkx, **limits),
    }.items():
        start = time.perf_counter()
        partitions.append(method())
        rows.append({"method": name, "pairs": len(pairs), "seconds": round(time.perf_counter() - start, 3)})
    assert all(same_partition(partitions[0], other) for other in partitions[1:])
    report(arguments, rows)


if __name__ == "__main__":
    main()
