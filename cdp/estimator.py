"""Consensus-Driven Propagation as a scikit-learn estimator."""

import warnings
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.utils.validation import check_array, check_consistent_length, validate_data

import cdp.propagation as propagation
import cdp.voting as voting
from cdp.knn import knn_graph
from cdp.pairs import candidate_pairs


class CDP(ClusterMixin, BaseEstimator):
    """Cluster embeddings by Consensus-Driven Propagation, by vote.

    Parameters
    ----------
    k : int, default=15
        Neighbours a sample, itself included; at least 2.
    threshold : float, default=0.6
        Pairs more similar than this are kept. Higher: purer and more clusters.
    metric : {"cosine", "angular", "l2", "l1"}, default="cosine"
        Similarity is the cosine, or 1 - distance (see `cdp.knn_graph`).
    accept : int, default=0
        Committee members that must confirm a pair; at most the number of arrays less one.
    max_size : int, default=600
        Clusters larger than this are split.
    step : float, default=0.05
        How fast the threshold rises in the split.
    max_iter : int, default=100
        Rounds of splitting.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,), int64
        Cluster of each sample; -1 for samples in no kept pair.
    pairs_ : ndarray of shape (n_kept_pairs, 2), int32
    scores_ : ndarray of shape (n_kept_pairs,), float32
    n_iter_ : int
        Rounds of splitting that it took.
    n_features_in_ : int
        Columns of the base model's array.

    References
    ----------
    Zhan, Liu, Yan, Lin, Loy: Consensus-Driven Propagation in Massive Unlabeled Data for Face
    Recognition, ECCV 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from cdp import CDP
    >>> X = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1]])
    >>> CDP(k=2, threshold=0.9).fit_predict(X)
    array([0, 0, 1, 1])
    """

    _parameter_constraints: ClassVar[dict[str, list[type]]] = {  # their ranges: see `fit`
        "k": [Integral],
        "threshold": [Real],
        "metric": [str],
        "accept": [Integral],
        "max_size": [Integral],
        "step": [Real],
        "max_iter": [Integral],
    }

    def __init__(
        self,
        k: int = 15,
        *,
        threshold: float = 0.6,
        metric: str = "cosine",
        accept: int = 0,
        max_size: int = 600,
        step: float = 0.05,
        max_iter: int = 100,
    ) -> None:
        self.k = k
        self.threshold = threshold
        self.metric = metric
        self.accept = accept
        self.max_size = max_size
        self.step = step
        self.max_iter = max_iter

    def fit(self, X: Any, y: Any = None) -> "CDP":  # noqa: N803
        """Cluster the samples.

        Parameters
        ----------
        X : array of shape (n_samples, dim), or list of such arrays
            A list holds one array a model, the base model first; the others are the committee.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For invalid parameters or arrays, or a row that is all zeros.
        """
        self._validate_params()
        base, *members = X if _is_committee(X) else [X]
        propagation.check_settings(max_size=self.max_size, step=self.step, max_iter=self.max_iter)
        voting.check_settings(accept=self.accept, threshold=self.threshold, members=len(members))
        arrays = [validate_data(self, base, ensure_min_samples=2, dtype=(np.float64, np.float32, np.float16))]
        arrays += [check_array(member, dtype=(np.float64, np.float32, np.float16)) for member in members]
        check_consistent_length(*arrays)
        graphs = [knn_graph(array, k=self.k, metric=self.metric) for array in arrays]
        candidates = candidate_pairs(graphs[0], graphs[1:])
        self.pairs_, self.scores_ = voting.vote(candidates, accept=self.accept, threshold=self.threshold)
        if len(self.pairs_) == 0:
            warnings.warn(
                f"no pair is more similar than the threshold {self.threshold}; all samples are discarded", stacklevel=2
            )
        self.labels_, self.n_iter_ = propagation.propagate_in_rounds(
            self.pairs_,
            self.scores_,
            len(arrays[0]),
            max_size=self.max_size,
            step=self.step,
            max_iter=self.max_iter,
        )
        return self


def _is_committee(X: Any) -> bool:  # noqa: N803
    return isinstance(X, Sequence) and len(X) > 0 and all(getattr(array, "ndim", 0) == 2 for array in X)
