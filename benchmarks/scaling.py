"""The whole workflow at growing sizes: seconds and memory by stage, and how they grow.

    python benchmarks/scaling.py [--data-sets synth_u20k synth_u200k synth_u600k synth_u1.4m] [--cores 2]

Data are made and mediators trained first, which is not timed; baselines are left out. `exponent` is the growth of a
rule's seconds from one size to the next, as a power of the number of samples: 1 is linear. Peak memory is the largest
of the rule's jobs.
"""

import json
import math
import tempfile
from pathlib import Path

import yaml
from report import parser, report
from workflow import ROOT, jobs, run


def main() -> None:
    arguments = parser(__doc__, "scaling")
    arguments.add_argument("--data-sets", nargs="+", default=["synth_u20k", "synth_u200k"])
    arguments.add_argument("--cores", type=int, default=2)
    options = arguments.parse_args()
    rows, before = [], {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for data_set in options.data_sets:
            run(folder, *prepared(data_set), cores=options.cores)
            wall = run(folder, f"results/{data_set}/cdp.md", cores=options.cores)
            done = jobs(folder / "results" / data_set)
            checks = (folder / "results" / data_set / "features").glob("*.json")
            now = {"samples": json.loads(next(checks).read_text())["samples"], "wall": wall}
            for rule in sorted({job.rule for job in done}):
                mine = [job for job in done if job.rule == rule]
                now[rule] = sum(job.seconds for job in mine)
                row = {"samples": now["samples"], "rule": rule, "jobs": len(mine), "seconds": round(now[rule], 2)}
                rows.append(
                    row | {"peak_mb": round(max(job.peak_mb for job in mine)), "exponent": growth(before, now, rule)}
                )
            rows.append(
                {"samples": now["samples"], "rule": "wall", "jobs": len(done), "seconds": round(wall, 2)}
                | {"peak_mb": "", "exponent": growth(before, now, "wall")}
            )
            print(*(row for row in rows if row["samples"] == now["samples"]), sep="\n", flush=True)
            before = now
    report(options, rows)


def prepared(data_set: str) -> list[str]:
    """The features of a synthetic data set, and the mediators that its experiments need."""
    entry = yaml.safe_load((ROOT / f"config/datasets/{data_set}.yaml").read_text(encoding="utf-8"))
    targets = [f"data/unlabeled/{data_set}/features/{model}.npy" for model in entry["synthetic"]["models"]]
    for experiment in entry["experiments"]:
        if experiment["strategy"] == "mediator":
            folder = f"results/{entry['labeled']}/{experiment['committee']}/k15"
            targets.append(f"{folder}/mediator_{experiment['inputs']}.pt")
    return targets


def growth(before: dict[str, float], now: dict[str, float], what: str) -> float | str:
    """The exponent of the growth since the size before; empty for the first."""
    if what not in before:
        return ""
    return round(math.log(now[what] / before[what]) / math.log(now["samples"] / before["samples"]), 2)


if __name__ == "__main__":
    main()
