"""What thresholds chosen on a labelled set lose on sets of other sizes, with fewer samples an identity.

    python benchmarks/samples_per_identity.py LABELED TARGET [--identities N ...] [--shares S ...] [--accepts A ...]

LABELED and TARGET are folders with features/MODEL.npy and meta.txt. Of TARGET, subsets are taken: N identities,
with the share S of the samples of each. F lost, in points, of votes whose threshold is chosen on LABELED: as it
is, crowded by the ratio of samples, of identities, or as the workflow does (auto), and the last after LABELED
was thinned to as many samples an identity.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from report import Row, parser, report

from cdp import candidate_pairs, knn_graph, sweep
from cdp.candidates import CandidatePairs
from cdp.crowding import crowding_ratio
from cdp.labels import read_labels
from cdp.thinning import thin
from cdp.threshold_choice import TOLERANCE, choose, labeled_curves
from cdp.voting import vote_scores


class Paired(NamedTuple):
    """A set's labels, candidate pairs, and number of identities."""

    labels: np.ndarray
    candidates: CandidatePairs
    identities: int


def paired(folder: Path, models: list[str], labels: np.ndarray, rows: np.ndarray) -> Paired:
    features = [np.load(folder / f"features/{model}.npy", mmap_mode="r", allow_pickle=False) for model in models]
    graphs = [knn_graph(array[rows], k=15) for array in features]
    return Paired(labels[rows], candidate_pairs(graphs[0], graphs[1:]), len(np.unique(labels[rows])))


def subset(labels: np.ndarray, identities: int, share: float) -> np.ndarray:
    """Rows of so many identities, taken by chance, with that share of their samples."""
    chosen = np.random.default_rng(0).permutation(np.unique(labels))[:identities]
    rows = np.flatnonzero(np.isin(labels, chosen))
    return rows if share == 1 else rows[thin(labels[rows], share * len(rows) / len(chosen))]


def lost(labeled: Paired, target: Paired, accept: int, ratio: float, best: float) -> float:
    """F of the chosen threshold minus the best, in points."""
    labels, candidates, _ = labeled
    (curve,) = labeled_curves(candidates.pairs, vote_scores(candidates, accept=accept), labels, ratio=ratio)
    threshold = choose(curve, tolerance=TOLERANCE)["threshold"]
    labels, candidates, _ = target
    scores = vote_scores(candidates, accept=accept)
    (row,) = sweep(candidates.pairs, scores, len(labels), [threshold], labels_true=labels)
    return round(100 * (float(row["f"] or 0) - best), 2)


def compared(labeled: Paired, thinned: Paired, target: Paired, accept: int) -> Row:
    """One line of the table."""
    samples = len(target.labels)
    scores = vote_scores(target.candidates, accept=accept)
    (curve,) = labeled_curves(target.candidates.pairs, scores, target.labels, ratio=1)
    best = choose(curve)
    ways = {
        "as it is": (labeled, 1.0),
        "samples": (labeled, samples / len(labeled.labels)),
        "identities": (labeled, target.identities / labeled.identities),
        "auto": (labeled, crowding_ratio(samples, len(labeled.labels))),
        "thinned": (thinned, crowding_ratio(samples, len(thinned.labels))),
    }
    row = {"samples": samples, "identities": target.identities, "each": round(samples / target.identities)}
    row |= {"accept": accept, "best F": round(100 * best["f"], 2), "at": best["threshold"]}
    return row | {way: lost(on, target, accept, ratio, best["f"]) for way, (on, ratio) in ways.items()}


def main() -> None:
    options = parser(__doc__, "samples_per_identity")
    options.add_argument("labeled", type=Path)
    options.add_argument("target", type=Path)
    options.add_argument("--models", nargs="+", default=["mobilenet", "resnet", "vgg", "wide", "attn"])
    options.add_argument("--identities", type=int, nargs="+", default=[129, 258, 516])
    options.add_argument("--shares", type=float, nargs="+", default=[0.25, 0.5, 1])
    options.add_argument("--accepts", type=int, nargs="+", default=[0, 1, 2])
    arguments = options.parse_args()
    known, unknown = (read_labels(folder / "meta.txt") for folder in (arguments.labeled, arguments.target))
    labeled = paired(arguments.labeled, arguments.models, known, np.arange(len(known)))
    rows = []
    for share in arguments.shares:
        for identities in arguments.identities:
            target = paired(arguments.target, arguments.models, unknown, subset(unknown, identities, share))
            each = len(target.labels) / target.identities
            thinned = labeled
            if each < len(known) / labeled.identities:
                thinned = paired(arguments.labeled, arguments.models, known, thin(known, each))
            for accept in arguments.accepts:
                rows.append(compared(labeled, thinned, target, accept))
                print(rows[-1], flush=True)
    report(arguments, rows)


if __name__ == "__main__":
    main()
