"""Synthetic embeddings of any size: what several models, each with errors of its own, make of the same samples.

A sample of identity y is, in the space of model m,

    center(y) + bias(m, y) + pose * axis(y) + blur * (occlusion + error(m)),    normalised, then rotated by m.

All vectors are Gaussian with the same decaying spectrum. Centres of identities of one family have a part in common
(look-alikes). An identity is drawn out along its axis. Pose, blur and occlusion are the sample's, the same for all
models; bias and error are the model's own, and against these a committee can help. An outlier has a centre of its own.
"""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from cdp.threads import limit_threads, usable_threads

_BLOCK = 4096  # samples that share a random stream; another number gives other data
_KNEE = 20  # dimensions before the spectrum falls; about 50 are then effective
_SIZE_DEVIATION = 0.7  # of the logarithm of an identity's size
_AXIS = 0.8  # lengths, that of a centre being 1
_BIAS = 0.4
_NOISE = 0.75  # occlusion and error together, in a sample of middling blur
_OCCLUSION = 0.8  # share of the length of the noise that all models see
_BLUR_DEVIATION = 0.5  # of the logarithm of blur


def synthetic_labels(*, samples: int, identities: int, outliers: float = 0.0, seed: int = 0) -> np.ndarray:
    """Draw the identities of samples, in shuffled order.

    Parameters
    ----------
    samples, identities : int
    outliers : float in [0, 1)
        Share of the samples that are of no identity but their own.
    seed : int

    Returns
    -------
    ndarray of shape (samples,), int64
        Identities are numbered from 0, with log-normal sizes of at least one sample; outliers from `identities` on.

    Raises
    ------
    ValueError
        If there are fewer samples than identities and outliers.
    """
    n_outliers = round(outliers * samples)
    spare = samples - n_outliers - identities
    if spare < 0:
        raise ValueError(f"{samples} samples are too few for {identities} identities and {n_outliers} outliers")
    generator = _generator("labels", seed)
    shares = np.cumsum(np.exp(_SIZE_DEVIATION * generator.standard_normal(identities)))
    sizes = 1 + np.diff(np.rint(spare * shares / shares[-1]).astype(np.int64), prepend=0)
    sizes = np.concatenate([sizes, np.ones(n_outliers, np.int64)])
    return generator.permutation(np.repeat(np.arange(len(sizes)), sizes))


def synthetic_features(
    labels: np.ndarray,
    *,
    identities: int,
    model: str,
    error: float = 1.0,
    dim: int = 256,
    family: int = 6,
    likeness: float = 0.5,
    seed: int = 0,
    threads: int | None = None,
) -> Iterator[np.ndarray]:
    """Make one model's features of samples with given identities, block by block.

    A model is the same at every seed: its name chooses its space. Memory is bounded by a few blocks and
    three vectors an identity.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,), integer
        See `synthetic_labels`; numbers from `identities` on are outliers.
    identities : int
    model : str
        Its name.
    error : float
        Its errors in comparison with those of a usual model.
    dim : int
    family : int
        How many identities look alike.
    likeness : float in [0, 1]
        How much: the expected cosine of their centres.
    seed : int
        Chooses identities and samples.
    threads : int, optional

    Yields
    ------
    ndarray of shape (at most 4096, dim), float16
        The next samples, unit vectors. Independent of the number of threads.
    """
    spectrum = 1 / (1 + np.arange(dim, dtype=np.float32) / _KNEE)
    spectrum /= np.linalg.norm(spectrum)

    def vectors(n: int, generator: np.random.Generator) -> np.ndarray:
        return generator.standard_normal((n, dim), np.float32) * spectrum

    parents = vectors(-(-identities // family), _generator("families", seed))
    centers = np.float32(likeness**0.5) * np.repeat(parents, family, axis=0)[:identities]
    centers += np.float32((1 - likeness) ** 0.5) * vectors(identities, _generator("identities", seed))
    centers += np.float32(error * _BIAS) * vectors(identities, _generator("bias", seed, model))
    axes = np.float32(_AXIS) * vectors(identities, _generator("axes", seed))
    rotation = np.linalg.qr(_generator("model", model).standard_normal((dim, dim)))[0].astype(np.float32)
    own_share = np.float32(error * (1 - _OCCLUSION**2) ** 0.5)

    def block(start: int) -> np.ndarray:
        identity = labels[start : start + _BLOCK]
        n = len(identity)
        shared, own = _generator("samples", seed, start), _generator("errors", seed, model, start)
        pose = shared.uniform(-(3**0.5), 3**0.5, (n, 1)).astype(np.float32)
        blur = np.exp(_BLUR_DEVIATION * shared.standard_normal((n, 1), np.float32))
        noise = np.float32(_OCCLUSION) * vectors(n, shared) + own_share * vectors(n, own)
        is_outlier = identity >= identities
        known = np.where(is_outlier, 0, identity)
        points = centers[known] + pose * axes[known]
        points[is_outlier] = vectors(int(is_outlier.sum()), shared)
        points += np.float32(_NOISE) * blur * noise
        points /= np.linalg.norm(points, axis=1, keepdims=True)
        return (points @ rotation).astype(np.float16)

    workers = usable_threads(threads)
    starts = range(0, len(labels), _BLOCK)
    with limit_threads(1), ThreadPoolExecutor(workers) as pool:
        for first in range(0, len(starts), workers):
            yield from pool.map(block, starts[first : first + workers])


def _generator(*key: str | int) -> np.random.Generator:
    """The random stream of a key, the same whatever was drawn from other streams."""
    return np.random.default_rng(int.from_bytes(hashlib.sha256(repr(key).encode()).digest()))
