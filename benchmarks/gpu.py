"""Exact search on a GPU: seconds, memory, and its neighbours against those that the CPU finds.

    python benchmarks/gpu.py [--samples 200000 ...] [--dim 256]

Features are those of a synthetic model. Every search runs in a process of its own, timed from the mapped feature file
to the finished graph; compiled code is loaded and the GPU started before. `equal` is the share of 2,000 rows that equal
the CPU's.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from knn import K, save_synthetic
from report import measured, parser, report

from cdp.knn import knn_graph
from cdp.knn.exact import SPARE
from cdp.knn.points import Points
from cdp.knn.scan import nearest
from cdp.knn.vectors import Vectors
from cdp.threads import limit_threads, one_blas_thread


def search(path: str, out: str) -> Iterator[None]:
    """Ready to run `knn_graph` on the GPU and save the neighbours."""
    import torch

    small = np.random.default_rng(0).standard_normal((3000, 16)).astype(np.float32)
    knn_graph(small, k=K, backend="exact", device="cuda")
    features = np.load(path, mmap_mode="r", allow_pickle=False)
    yield
    found = knn_graph(features, k=K, backend="exact", device="cuda").idx
    yield
    np.save(out, found)
    print(
        f"{torch.cuda.get_device_name()}, {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB of its memory", flush=True
    )


def on_cpu(path: Path, sample: np.ndarray) -> np.ndarray:
    """The K nearest of some samples, themselves first; of equals, the first."""
    vectors = Vectors(np.load(path, mmap_mode="r", allow_pickle=False), "cosine").arranged()
    with limit_threads(), one_blas_thread():
        points = Points.to_scan(vectors)
        found = nearest(points.take(sample), points, K + SPARE).found
    rows = np.empty((len(sample), K), np.int64)
    for row, i, others in zip(rows, sample, found, strict=True):
        ours, theirs = vectors[i].astype(np.float64), vectors[others].astype(np.float64)
        distances = 1 - theirs @ ours / np.linalg.norm(theirs, axis=1) / np.linalg.norm(ours)
        row[:] = others[np.lexsort((others, distances.astype(np.float32), others != i))][:K]
    return rows


def main() -> None:
    arguments = parser(__doc__, "gpu")
    arguments.add_argument("--samples", type=int, nargs="+", default=[200_000])
    arguments.add_argument("--dim", type=int, default=256)
    options = arguments.parse_args()
    rows = []
    for samples in options.samples:
        with tempfile.TemporaryDirectory() as folder:
            path, out = Path(folder) / "features.npy", Path(folder) / "found.npy"
            save_synthetic(path, samples, options.dim)
            row = measured(f"exact, {samples} samples", search, str(path), str(out))
            sample = np.random.default_rng(7).choice(samples, min(samples, 2000), replace=False)
            equal = np.all(np.load(out, allow_pickle=False)[sample] == on_cpu(path, sample), axis=1)
        row["equal"] = round(float(equal.mean()), 4)
        rows.append(row)
    report(options, rows)


if __name__ == "__main__":
    main()
