"""What `threshold: auto` gives, beside the best threshold there is, fixed ones, and a choice without labels.

    python benchmarks/thresholds.py LABELED TARGET ... [--models BASE MEMBER ...] [--scorings ...] [--json FILE]

LABELED and the TARGETs are folders with features/MODEL.npy and meta.txt. All figures are pairwise F, in per cent; the
fixed thresholds are the published ones of emore_u200k. A target's labels tell what a choice is worth, and make none.
"""

from pathlib import Path
from typing import Any

import numpy as np
from report import parser, report

from cdp import Mediator, affinity, candidate_pairs, knn_graph, mediator_inputs, sweep
from cdp.candidates import CandidatePairs
from cdp.cross_fit import cross_fit
from cdp.crowding import crowding_ratio
from cdp.ground_truth import same_identity
from cdp.labels import read_labels
from cdp.threshold_choice import TOLERANCE, choose, choose_of_splits, labeled_curves, stability
from cdp.voting import vote_scores

PUBLISHED = {  # accept and threshold
    "single": (0, 0.66),
    "vote, accept 1": (1, 0.605),
    "vote, accept auto": (4, 0.605),
    "mediator 110": (None, 0.9938),
    "mediator 111": (None, 0.9925),
}
Described = tuple[np.ndarray, CandidatePairs, np.ndarray]


def described(folder: Path, models: list[str], cache: Path | None) -> Described:
    """Labels, candidate pairs and their affinity."""
    kept = cache / f"{folder.name}.npz" if cache else None
    if kept is None or not kept.exists():
        features = [np.load(folder / f"features/{model}.npy", mmap_mode="r", allow_pickle=False) for model in models]
        graphs = [knn_graph(array, k=15) for array in features]
        candidates = candidate_pairs(graphs[0], graphs[1:])
        labels, cosines = read_labels(folder / "meta.txt"), affinity(features, candidates.pairs)
        if kept is None:
            return labels, candidates, cosines
        np.savez(kept, labels=labels, affinity=cosines, **candidates._asdict())
    with np.load(kept, allow_pickle=False) as arrays:
        fields = (arrays[field] for field in CandidatePairs._fields)
        return arrays["labels"], CandidatePairs(*fields), arrays["affinity"]


def scored(labeled: Described, targets: list[Described], scoring: str) -> list[dict[int | None, np.ndarray]]:
    """Scores by number of votes: of the labelled set's pairs, to choose by, and of each target's."""
    sets = [labeled, *targets]
    if scoring.startswith("mediator"):
        inputs = scoring.split()[1]
        columns = [mediator_inputs(candidates, cosines, inputs=inputs) for _, candidates, cosines in sets]
        labels, candidates, _ = labeled
        mediator = Mediator.fit(columns[0], same_identity(candidates.pairs, labels))
        held_out = cross_fit(columns[0], candidates.pairs, labels)
        return [{None: scores} for scores in (held_out, *(mediator.predict(part) for part in columns[1:]))]
    members = labeled[1].relationship.shape[1]
    accepts = range(members + 1) if scoring.endswith("auto") else [PUBLISHED[scoring][0]]
    return [{accept: vote_scores(candidates, accept=accept) for accept in accepts} for _, candidates, _ in sets]


def curves(of: Described, scores: dict[int | None, np.ndarray], ratio: float = 1) -> list[list[dict[str, Any]]]:
    """A curve for each split, over all numbers of votes."""
    labels, candidates, _ = of
    joined: list[list[dict[str, Any]]] = []
    for accept, values in scores.items():
        found = labeled_curves(candidates.pairs, values, labels, ratio=ratio)
        joined = joined or [[] for _ in found]
        for curve, more in zip(joined, found, strict=True):
            curve += [{"accept": accept} | row for row in more]
    return joined


def f_at(of: Described, scores: np.ndarray, threshold: float) -> float:
    labels, candidates, _ = of
    (row,) = sweep(candidates.pairs, scores, len(labels), [threshold], labels_true=labels)
    return round(100 * float(row["f"] or 0), 2)


def compared(name: str, scoring: str, labeled: Described, target: Described, scores: list[Any]) -> dict[str, Any]:
    """One line of the table."""
    best = choose(curves(target, scores[1])[0])
    ratio = crowding_ratio(len(target[0]), len(labeled[0]))
    chosen = choose_of_splits(curves(labeled, scores[0], ratio), tolerance=TOLERANCE)
    accept, fixed = PUBLISHED[scoring]
    auto_f = f_at(target, scores[1][chosen["accept"]], chosen["threshold"])
    row = {
        "target": name,
        "scoring": scoring,
        "best F": round(100 * best["f"], 2),
        "at": best["threshold"],
        "auto F": auto_f,
        "chosen": chosen["threshold"],
        "accept": chosen["accept"],
        "auto - best": round(auto_f - 100 * best["f"], 2),
        "fixed F": f_at(target, scores[1][accept], fixed),
        "fixed": fixed,
        "no labels F": None,
        "no labels": None,
    }
    if len(scores[1]) == 1:
        (values,) = scores[1].values()
        rows = stability(target[1].pairs, values, len(target[0]))
        stable = choose(rows, objective="stability")["threshold"]
        row |= {"no labels F": f_at(target, values, stable), "no labels": stable}
    return row


def main() -> None:
    options = parser(__doc__, "thresholds")
    options.add_argument("labeled", type=Path)
    options.add_argument("targets", type=Path, nargs="+")
    options.add_argument(
        "--models", nargs="+", default=["mobilenet", "resnet", "vgg", "wide", "attn"], help="base first"
    )
    options.add_argument("--scorings", nargs="+", default=list(PUBLISHED), choices=list(PUBLISHED))
    options.add_argument("--cache", type=Path, help="a folder that keeps pairs from run to run")
    arguments = options.parse_args()
    labeled, *targets = (
        described(folder, arguments.models, arguments.cache) for folder in (arguments.labeled, *arguments.targets)
    )
    rows = []
    for scoring in arguments.scorings:
        first, *others = scored(labeled, targets, scoring)
        for folder, target, scores in zip(arguments.targets, targets, others, strict=True):
            rows.append(compared(folder.name, scoring, labeled, target, [first, scores]))
            print(rows[-1], flush=True)
    report(arguments, rows)


if __name__ == "__main__":
    main()
