"""Seconds, peak memory and F of the baselines, side by side on the same synthetic features.

    python benchmarks/baselines.py [--samples 20000 200000] [--only dbscan ...] [--without spectral ...]

Every method runs in a process of its own, timed from mapped features or a finished kNN graph to labels; compiled code
is loaded before. Each is told of as it begins and ends, and the JSON file is written anew, so that a run may be
stopped. * marks methods that are given the true number of clusters. Parameters are those of
synth_u20k in config/datasets/.
"""

import importlib
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from report import Row, measured, parser, report, save

from cdp.files import load_arrays, save_arrays
from cdp.knn import knn_graph
from cdp.metrics import evaluate
from cdp.neighbors import Neighbors
from cdp.synthetic import synthetic_features, synthetic_labels

BASELINES: dict[str, dict[str, Any]] = {
    "knn_dbscan": {"k": 15, "eps": 0.85, "min_samples": 10},
    "approx_rank_order": {"k": 80, "threshold": 0.4},
    "chinese_whispers": {"k": 80, "threshold": 0.5},
    "infomap": {"k": 80, "threshold": 0.6},
    "leiden": {"k": 15, "resolution": 0.003, "threshold": 0.5},
    "fast_hac": {"distance": 0.75},
    "dbscan": {"eps": 0.75, "min_samples": 2},
    "hdbscan": {"min_cluster_size": 10, "min_samples": 1},
    "minibatch_kmeans": {"n_clusters": True},
    "kmeans": {"n_clusters": True},
    "hac": {"k": 15, "n_clusters": True},
    "spectral": {"k": 15, "n_clusters": True},
}
WITH_FEATURES = ("fast_hac", "dbscan", "hdbscan", "minibatch_kmeans", "kmeans", "hac")


def inputs(name: str, features: np.ndarray, graph: Neighbors | None) -> list[Any]:
    """What a method works on."""
    return [features] * (name in WITH_FEATURES) + [graph] * (graph is not None)


def cluster(
    name: str, path: str, graph_path: str | None, settings: dict[str, Any], out: str, max_mb: int
) -> Iterator[None]:
    """Ready to cluster by a method and save the labels."""
    resource.setrlimit(resource.RLIMIT_DATA, (max_mb * 10**6, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    method = getattr(importlib.import_module(f"cdp.baselines.{name}"), name)
    small = np.random.default_rng(0).standard_normal((300, 16)).astype(np.float32)
    few = settings | ({"n_clusters": 5} if "n_clusters" in settings else {})
    method(*inputs(name, small, knn_graph(small, k=15) if graph_path else None), **few)
    features = np.load(path, mmap_mode="r", allow_pickle=False)
    graph = Neighbors(*load_arrays(graph_path, "idx", "dist")) if graph_path else None
    yield
    np.save(out, method(*inputs(name, features, graph), **settings))
    yield


def measured_row(title: str, labels: np.ndarray, out: str, max_seconds: float, *arguments: Any) -> Row:
    """Seconds, memory and figures of a method, or why there are none."""
    print(f"{time.strftime('%H:%M:%S')} {title} ...", flush=True)
    none = {"stage": title, "seconds": None, "peak_mb": None, "clusters": None, "F": None}
    try:
        row = measured(title, cluster, *arguments, max_seconds=max_seconds)
    except TimeoutError:
        return none | {"seconds": f"over {max_seconds:g}"}
    except Exception as error:  # whatever a method fails by
        return none | {"seconds": f"{type(error).__name__}: {error}"}
    found = np.load(out, allow_pickle=False)
    return row | {"clusters": int(found.max()) + 1, "F": round(100 * evaluate(labels, found)["kept"]["f"], 2)}


def main() -> None:
    arguments = parser(__doc__, "baselines")
    arguments.add_argument("--samples", type=int, nargs="+", default=[20_000])
    arguments.add_argument("--dim", type=int, default=256)
    arguments.add_argument("--only", nargs="*", default=list(BASELINES), choices=list(BASELINES))
    arguments.add_argument("--without", nargs="*", default=[], choices=list(BASELINES))
    arguments.add_argument("--max-seconds", type=float, default=7200, help="of each method, start included")
    arguments.add_argument("--max-mb", type=int, default=24000)
    options = arguments.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        for samples in options.samples:
            identities = max(1, samples // 78)
            labels = synthetic_labels(samples=samples, identities=identities, outliers=0.005)
            path = f"{folder}/{samples}.npy"
            blocks = synthetic_features(labels, identities=identities, model="base", dim=options.dim)
            np.save(path, np.concatenate(list(blocks)))
            for name in (name for name in options.only if name not in options.without):
                settings = dict(BASELINES[name])
                k = settings.pop("k", None)
                graph_path = f"{folder}/{samples}_k{k}.npz" if k else None
                if graph_path and not Path(graph_path).exists():
                    print(f"{time.strftime('%H:%M:%S')} {samples}: kNN graph of k {k} ...", flush=True)
                    graph = knn_graph(np.load(path, mmap_mode="r", allow_pickle=False), k=k)
                    save_arrays(graph_path, idx=graph.idx, dist=graph.dist)
                title = f"{samples}: {name}"
                if "n_clusters" in settings:
                    settings["n_clusters"] = len(np.unique(labels))
                    title += " *"
                out = f"{folder}/labels.npy"
                own = name, path, graph_path, settings, out, options.max_mb
                rows.append(measured_row(title, labels, out, options.max_seconds, *own))
                print(rows[-1], flush=True)
                save(options, rows)
    report(options, rows)


if __name__ == "__main__":
    main()
