"""The mediator: a small network that decides on pairs from what all models say of them."""

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch

from cdp.candidates import CandidatePairs
from cdp.devices import choose_device
from cdp.files import checked_path, refuse_inflated, release, verify, whole
from cdp.threads import in_ranges

_PREDICT_BATCH = 8192  # pairs a task; their activations stay in the cache
_GPU_BATCH = 131072


@dataclass(frozen=True)
class Recipe:
    """How a mediator is trained."""

    optimizer: str
    learning_rate: float
    weight_decay: float
    batch_size: int
    epochs: int
    min_steps: int  # as many epochs more as it takes
    standardize: bool
    one_cycle: bool


RECIPES = {
    "default": Recipe("adamw", 0.003, 1e-4, 1024, 8, 500, standardize=True, one_cycle=True),
    "reference": Recipe("sgd", 0.001, 1e-4, 1024, 2, 0, standardize=False, one_cycle=False),
}


def mediator_inputs(candidates: CandidatePairs, affinity: np.ndarray, *, inputs: str) -> np.ndarray:
    """The mediator's input columns.

    Parameters
    ----------
    candidates : CandidatePairs
    affinity : ndarray of shape (P, C + 1)
        See `cdp.affinity`.
    inputs : str
        Three digits, 1 to include relationship, affinity and structure in turn; "110", "111", ...

    Returns
    -------
    ndarray of shape (P, n_inputs), float32

    Raises
    ------
    ValueError
        If `inputs` is not of that form, or leaves no column.
    """
    if len(inputs) != 3 or not set(inputs) <= {"0", "1"}:
        raise ValueError(f"inputs must be three digits 0 or 1 (relationship, affinity, structure), not {inputs!r}")
    groups = (candidates.relationship, affinity, candidates.structure)
    chosen = [group for group, digit in zip(groups, inputs, strict=True) if digit == "1"]
    columns = np.hstack(chosen, dtype=np.float32) if chosen else np.empty((0, 0), np.float32)
    if columns.shape[1] == 0:
        raise ValueError(f"inputs {inputs!r} leave the mediator nothing to look at")
    return columns


class Mediator:
    """Multi-layer perceptron in -> 3 in -> 3 in -> 2 on pair features (docs/definitions.md).

    Made by `Mediator.fit` or `Mediator.load`.
    """

    def __init__(self, n_inputs: int) -> None:
        self.n_inputs = n_inputs
        hidden = 3 * n_inputs
        self.network = torch.nn.Sequential(
            torch.nn.Linear(n_inputs, hidden),
            torch.nn.ReLU(),
            torch.nn.Linear(hidden, hidden),
            torch.nn.ReLU(),
            torch.nn.Linear(hidden, 2),
        )
        self.mean = torch.zeros(n_inputs)
        self.scale = torch.ones(n_inputs)

    @classmethod
    def fit(
        cls,
        inputs: np.ndarray,
        same_identity: np.ndarray,
        *,
        recipe: str = "default",
        device: str = "auto",
        seed: int = 0,
    ) -> "Mediator":
        """Train on labelled pairs, in one thread: weights do not depend on the number of threads.

        Parameters
        ----------
        inputs : ndarray of shape (P, n_inputs), float32
            See `mediator_inputs`.
        same_identity : bool array of shape (P,)
        recipe : {"default", "reference"}
            "reference" is the published one, for millions of pairs: SGD at a constant rate, two
            epochs, inputs as they are. "default" learns on small sets too: inputs standardised,
            AdamW, one-cycle rate, eight epochs and at least 500 steps.
        device : {"auto", "cpu", "cuda"}
        seed : int
            Of the initial weights and of the order of the pairs.

        Returns
        -------
        Mediator

        Raises
        ------
        ValueError
            For an unknown recipe or device, shapes that do not fit, or pairs of one kind only.
        """
        if recipe not in RECIPES:
            raise ValueError(f"recipe must be one of {', '.join(RECIPES)}, not {recipe!r}")
        if inputs.ndim != 2 or same_identity.shape != (len(inputs),):
            raise ValueError(f"inputs must be (P, n_inputs) for P labels, not {inputs.shape} for {same_identity.shape}")
        positive = int(np.count_nonzero(same_identity))
        if not 0 < positive < len(inputs):
            raise ValueError(
                f"a mediator needs pairs of same and of different identity to learn from; {positive} of "
                f"{len(inputs)} pairs are of the same identity"
            )
        settings, place = RECIPES[recipe], torch.device(choose_device(device))
        generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            mediator = cls(inputs.shape[1])
        x = torch.from_numpy(np.asarray(inputs, np.float32))
        y = torch.from_numpy(np.asarray(same_identity, bool))
        with _single_threaded_torch():
            if settings.standardize:
                mediator.mean = x.mean(dim=0)
                spread = x.std(dim=0)
                mediator.scale = torch.where(spread > 1e-6, spread, torch.inf)  # nothing is learnt of a constant input
            _train(mediator, x.to(place), y.to(place), settings, generator, place)
        return mediator

    def predict(self, inputs: np.ndarray, *, device: str = "auto") -> np.ndarray:
        """Probability that the samples of a pair are of the same identity.

        Parameters
        ----------
        inputs : ndarray of shape (P, n_inputs), float32
        device : {"auto", "cpu", "cuda"}

        Returns
        -------
        ndarray of shape (P,), float32
        """
        self._check_shape(inputs.shape)
        return self._predict(lambda batch: inputs[batch], len(inputs), device)

    def predict_pairs(
        self,
        candidates: CandidatePairs,
        affinity: np.ndarray,
        *,
        inputs: str,
        device: str = "auto",
        rows: int | None = None,
    ) -> np.ndarray:
        """The same of `mediator_inputs(candidates, affinity, inputs=inputs)`, which is made batch by batch.

        Parameters
        ----------
        candidates : CandidatePairs
            May be memory-mapped, as may be the affinity.
        affinity : ndarray of shape (P, C + 1)
        inputs : str
            See `mediator_inputs`.
        device : {"auto", "cpu", "cuda"}
        rows : int, optional
            After about so many pairs, memory that mapped files take is released.

        Returns
        -------
        ndarray of shape (P,), float32
        """

        def columns(batch: slice) -> np.ndarray:
            part = CandidatePairs(*(field[batch] for field in candidates))
            return mediator_inputs(part, affinity[batch], inputs=inputs)

        n_pairs = len(candidates.pairs)
        self._check_shape((n_pairs, columns(slice(0, 0)).shape[1]))

        def release_all() -> None:
            for array in (*candidates, affinity):
                release(array)

        return self._predict(columns, n_pairs, device, rows=rows, after_rows=release_all)

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        if len(shape) != 2 or shape[1] != self.n_inputs:
            raise ValueError(f"this mediator takes {self.n_inputs} inputs a pair, not an array of shape {shape}")

    def _predict(
        self,
        columns: Callable[[slice], np.ndarray],
        n_pairs: int,
        device: str,
        *,
        rows: int | None = None,
        after_rows: Callable[[], None] = lambda: None,
    ) -> np.ndarray:
        place = torch.device(choose_device(device))
        network, mean, scale = self.network.to(place), self.mean.to(place), self.scale.to(place)
        probability = torch.empty(n_pairs)

        def score(first: int, start: int, stop: int) -> None:
            pairs = slice(first + start, first + stop)
            block = np.asarray(columns(pairs), np.float32)
            with torch.inference_mode():
                x = torch.from_numpy(block).to(place)
                probability[pairs] = torch.softmax(network((x - mean) / scale), dim=1)[:, 1].cpu()

        batch = _PREDICT_BATCH if place.type == "cpu" else _GPU_BATCH
        part = max(batch, (rows or n_pairs) // batch * batch)  # whole batches, so that scores do not depend on rows
        with _single_threaded_torch():
            for first in range(0, n_pairs, part):
                in_ranges(partial(score, first), min(part, n_pairs - first), size=batch)
                after_rows()
        self.network.to("cpu")
        return probability.numpy()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write weights and input scaling to a file that `load` reads."""
        state = {
            "n_inputs": self.n_inputs,
            "network": self.network.state_dict(),
            "mean": self.mean,
            "scale": self.scale,
        }
        buffer = io.BytesIO()  # of a file that cannot be written, torch hides the reason
        torch.save(state, buffer)
        with checked_path(path) as temporary:  # the format's own checksums leave out its directory
            temporary.write_bytes(buffer.getvalue())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Mediator":
        """Read a mediator that `save` wrote; raises ValueError if the file is damaged."""
        verify(path)
        with whole(path):
            with zipfile.ZipFile(path) as archive:
                refuse_inflated(archive)
                if (entry := archive.testzip()) is not None:
                    raise ValueError(f"checksum of {entry}")
            state = torch.load(path, map_location="cpu", weights_only=True)
            n_inputs, mean, scale = state["n_inputs"], state["mean"], state["scale"]
            if not (state["network"]["0.weight"].shape[1:] == mean.shape == scale.shape == (n_inputs,)):
                raise ValueError(f"its parts are not all of {n_inputs} inputs")
            mediator = cls(n_inputs)
            mediator.network.load_state_dict(state["network"])
            mediator.mean, mediator.scale = mean, scale
        return mediator


@contextmanager
def _single_threaded_torch() -> Iterator[None]:
    """More threads sum in another order on some CPUs; and batches that run side by side would wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _train(
    mediator: Mediator,
    x: torch.Tensor,
    y: torch.Tensor,
    recipe: Recipe,
    generator: torch.Generator,
    place: torch.device,
) -> None:
    network = mediator.network.to(place).train()
    mean, scale = mediator.mean.to(place), mediator.scale.to(place)
    if recipe.optimizer == "sgd":
        optimizer: torch.optim.Optimizer = torch.optim.SGD(
            network.parameters(), lr=recipe.learning_rate, momentum=0.9, weight_decay=recipe.weight_decay
        )
    else:
        optimizer = torch.optim.AdamW(network.parameters(), lr=recipe.learning_rate, weight_decay=recipe.weight_decay)
    batches = -(-len(x) // recipe.batch_size)
    epochs = max(recipe.epochs, -(-recipe.min_steps // batches))
    schedule = None
    if recipe.one_cycle:
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, total_steps=epochs * batches)
    for _ in range(epochs):
        order = torch.randperm(len(x), generator=generator).to(place)
        for batch in order.split(recipe.batch_size):
            loss = torch.nn.functional.cross_entropy(network((x[batch] - mean) / scale), y[batch].long())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if schedule:
                schedule.step()
    network.to("cpu").eval()
