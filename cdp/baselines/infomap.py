"""Infomap community detection."""

from tempfile import TemporaryDirectory

import numpy as np
from infomap import Infomap

from cdp.baselines.graph import edge_list, similarity_graph
from cdp.components import number_by_appearance
from cdp.neighbors import Neighbors


def infomap(neighbors: Neighbors, *, threshold: float = 0.0, seed: int = 0) -> np.ndarray:
    """Find the modules of the kNN graph in which a random walk stays long: those that describe it most shortly.

    Parameters
    ----------
    neighbors : Neighbors
        Of metric cosine; edges are taken in both directions, and weigh what their similarity is.
    threshold : float in [0, 1)
        Only similarities above it make an edge.
    seed : int, >= 0

    Returns
    -------
    ndarray of shape (n_samples,), int64
        Labels 0.. by first appearance; a sample without edges is a cluster of its own.

    Raises
    ------
    ValueError
        If the threshold is out of range or the graph is none.

    References
    ----------
    Rosvall, Bergstrom: Maps of random walks on complex networks reveal community structure, PNAS 105(4), 2008.
    Computed by package infomap, in two levels, in one trial.
    """
    pairs, similarity = edge_list(similarity_graph(neighbors, threshold=threshold))
    labels = np.arange(len(neighbors.idx))
    if len(pairs):
        search = Infomap(two_level=True, seed=seed + 1, silent=True)  # which takes positive seeds
        search.add_links(np.column_stack([pairs, similarity]))
        with TemporaryDirectory() as folder:  # its iterators crash in a process that loads faiss
            path = f"{folder}/modules.clu"
            search.run().write_clu(path)
            samples, modules = np.loadtxt(path, dtype=np.int64, usecols=(0, 1), unpack=True)
        labels[samples] = len(labels) + modules
    return number_by_appearance(np.unique(labels, return_inverse=True)[1])
