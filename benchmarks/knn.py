"""Seconds, recall and peak memory of the kNN backends, side by side on the same features.

    python benchmarks/knn.py [--samples 20000 200000] [--dim 256] [--features FILE.npy] [--without nmslib ...]

Features are those of a synthetic model, or a file's. Every search runs in a process of its own, timed from the mapped
feature file to the finished graph; compiled code is loaded before. Recall is measured on 2,000 samples, chosen
apart from those by which a search steers. `best faiss` rows are indexes that the library does not
offer: HNSW, and 4-bit product quantisation with re-ranking.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from report import measured, parser, report

from cdp.knn import knn_graph
from cdp.knn.points import Points
from cdp.knn.scan import nearest
from cdp.knn.vectors import Vectors
from cdp.synthetic import synthetic_features, synthetic_labels
from cdp.threads import limit_threads, usable_threads

K = 15
SEARCHES = {
    "exact": {"backend": "exact"},
    "cells, recall 0.99": {"backend": "cells", "recall": 0.99},
    "cells, recall 0.999": {"backend": "cells", "recall": 0.999},
    "cells, recall 0.9999": {"backend": "cells", "recall": 0.9999},
    "auto": {},
    "faiss IVF, recall 0.99": {"backend": "faiss", "recall": 0.99},
    "faiss IVF, recall 0.999": {"backend": "faiss", "recall": 0.999},
    "nmslib, published settings": {"backend": "nmslib", "recall": None},
}
FAISS = {
    "faiss HNSW32, efSearch 64": ("HNSW32", {"efSearch": 64, "efConstruction": 100}),
    "faiss HNSW32, efSearch 192": ("HNSW32", {"efSearch": 192, "efConstruction": 100}),
    "faiss IVF PQ4fs re-ranked, 32 probes": ("IVF1024,PQ64x4fs,RFlat", {"nprobe": 32, "k_factor_rf": 8}),
    "faiss IVF PQ4fs re-ranked, 128 probes": ("IVF1024,PQ64x4fs,RFlat", {"nprobe": 128, "k_factor_rf": 16}),
    "faiss IVF PQ4fs re-ranked, 384 probes": ("IVF1024,PQ64x4fs,RFlat", {"nprobe": 384, "k_factor_rf": 32}),
}


def save_synthetic(path: Path, samples: int, dim: int) -> None:
    """Make the features of a synthetic model."""
    identities = max(1, samples // 78)
    labels = synthetic_labels(samples=samples, identities=identities, outliers=0.005)
    np.save(path, np.concatenate(list(synthetic_features(labels, identities=identities, model="base", dim=dim))))


def search(path: str, out: str, arguments: dict) -> Iterator[None]:
    """Ready to run `knn_graph` and save the neighbours."""
    small = np.random.default_rng(0).standard_normal((3000, 16)).astype(np.float32)
    knn_graph(small, k=K, **arguments)
    features = np.load(path, mmap_mode="r", allow_pickle=False)
    yield
    np.save(out, knn_graph(features, k=K, **arguments).idx)
    yield


def search_faiss(path: str, out: str, factory: str, parameters: dict[str, int]) -> Iterator[None]:
    """Ready to build and search an index of faiss's own factory."""
    import faiss

    faiss.omp_set_num_threads(usable_threads())
    features = np.load(path, mmap_mode="r", allow_pickle=False)

    yield
    vectors = Vectors(features, "cosine").arranged()
    index = faiss.index_factory(vectors.shape[1], factory, faiss.METRIC_INNER_PRODUCT)
    early = {"efConstruction"} & set(parameters)
    for key in early:
        faiss.ParameterSpace().set_index_parameter(index, key, parameters[key])
    index.train(vectors)
    index.add(vectors)
    for key in set(parameters) - early:
        faiss.ParameterSpace().set_index_parameter(index, key, parameters[key])
    np.save(out, index.search(vectors, K + 1)[1][:, :K])

    yield


def recall(found: np.ndarray, vectors: np.ndarray, rows: np.ndarray, last: np.ndarray) -> float:
    """Share of the K - 1 nearest others found, those as near as the last among them counted."""
    shares = []
    for row, bound in zip(rows, last, strict=True):
        others = found[row][(found[row] >= 0) & (found[row] != row)][: K - 1]
        shares.append(np.count_nonzero(vectors[others] @ vectors[row] - 1 >= bound - 2e-6) / (K - 1))
    return float(np.mean(shares))


def main() -> None:
    arguments = parser(__doc__, "knn")
    arguments.add_argument("--samples", type=int, nargs="+", default=[20_000])
    arguments.add_argument("--dim", type=int, default=256)
    arguments.add_argument("--features", type=Path, nargs="*", default=[])
    arguments.add_argument("--without", nargs="*", default=[], help="rows that begin with this are left out")
    options = arguments.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        files = list(options.features)
        for samples in options.samples if not files else []:
            files.append(Path(folder) / f"synthetic {samples}.npy")
            save_synthetic(files[-1], samples, options.dim)
        for path in files:
            vectors = Vectors(np.load(path, mmap_mode="r", allow_pickle=False), "cosine").arranged()
            sample = np.random.default_rng(7).choice(len(vectors), 2000, replace=False)
            with limit_threads():
                points = Points.to_scan(vectors)
                last = nearest(points.take(sample), points, K).scores[:, -1]
            works = {name: (search, own) for name, own in SEARCHES.items()}
            works |= {name: (search_faiss, *own) for name, own in FAISS.items()}
            for name, (work, *own) in works.items():
                if any(name.startswith(start) for start in options.without):
                    continue
                out = f"{folder}/found.npy"
                row = measured(f"{path.stem}: {name}", work, str(path), out, *own)
                row["recall"] = round(recall(np.load(out, allow_pickle=False), vectors, sample, last), 4)
                print(row, flush=True)
                rows.append(row)
    report(options, rows)


if __name__ == "__main__":
    main()
