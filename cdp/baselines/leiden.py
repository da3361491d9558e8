"""Leiden community detection."""

import igraph
import leidenalg
import numpy as np

from cdp.baselines.graph import edge_list, similarity_graph
from cdp.components import number_by_appearance
from cdp.neighbors import Neighbors


def leiden(neighbors: Neighbors, *, resolution: float, threshold: float = 0.0, seed: int = 0) -> np.ndarray:
    """Find communities in the kNN graph by the Leiden algorithm, for the constant Potts model.

    It maximises the sum over communities of (similarity of the pairs with an edge) - `resolution` * (number of all
    pairs). So a community is kept together where its pairs have, on average, more than `resolution` of similarity,
    those without an edge counting as 0; this does not depend on the number of samples, as modularity does.

    Parameters
    ----------
    neighbors : Neighbors
        Of metric cosine; edges are taken in both directions.
    resolution : float, >= 0
        Higher: smaller communities.
    threshold : float in [0, 1)
        Only similarities above it make an edge.
    seed : int

    Returns
    -------
    ndarray of shape (n_samples,), int64
        Labels 0.. by first appearance; a sample without edges is a cluster of its own.

    Raises
    ------
    ValueError
        If a parameter is out of range or the graph is none.

    References
    ----------
    Traag, Waltman, van Eck: From Louvain to Leiden: guaranteeing well-connected communities, Scientific Reports 9,
    2019. Computed by package leidenalg.
    """
    if not resolution >= 0:
        raise ValueError(f"resolution must be at least 0, not {resolution}")
    pairs, similarity = edge_list(similarity_graph(neighbors, threshold=threshold))
    partition = leidenalg.find_partition(
        igraph.Graph(n=len(neighbors.idx), edges=pairs),
        leidenalg.CPMVertexPartition,
        weights=similarity.tolist(),
        resolution_parameter=resolution,
        seed=seed,
    )
    return number_by_appearance(np.array(partition.membership))
