"""Consensus-Driven Propagation: cluster large sets of embeddings with a committee of models.

Zhan, Liu, Yan, Lin, Loy: Consensus-Driven Propagation in Massive Unlabeled Data for Face
Recognition, ECCV 2018. Names are imported on first use, so that ``import cdp`` stays light.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cdp.affinities import affinity as affinity
    from cdp.candidates import CandidatePairs as CandidatePairs
    from cdp.estimator import CDP as CDP
    from cdp.knn import knn_graph as knn_graph
    from cdp.mediator import Mediator as Mediator
    from cdp.mediator import mediator_inputs as mediator_inputs
    from cdp.metrics import evaluate as evaluate
    from cdp.metrics import pair_accuracy as pair_accuracy
    from cdp.neighbors import Neighbors as Neighbors
    from cdp.pairs import candidate_pairs as candidate_pairs
    from cdp.propagation import propagate as propagate
    from cdp.soft_propagation import soft_propagate as soft_propagate
    from cdp.threshold_sweep import sweep as sweep
    from cdp.voting import vote as vote

_HOMES = {
    "CDP": "estimator",
    "CandidatePairs": "candidates",
    "Mediator": "mediator",
    "Neighbors": "neighbors",
    "affinity": "affinities",
    "candidate_pairs": "pairs",
    "evaluate": "metrics",
    "knn_graph": "knn",
    "mediator_inputs": "mediator",
    "pair_accuracy": "metrics",
    "propagate": "propagation",
    "soft_propagate": "soft_propagation",
    "sweep": "threshold_sweep",
    "vote": "voting",
}
__all__ = sorted(_HOMES)
import_module("cdp.compiled").discard_stale(Path(__file__).parent)  # by name, as it is none of those


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cdp' has no attribute {name!r}")
    return getattr(import_module(f"cdp.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
