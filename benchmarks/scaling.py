"""The whole workflow at growing sizes: seconds and memory by stage, and how they grow.

    python benchmarks/scaling.py [--data-sets synth_u20k synth_u200k synth_u600k synth_u1.4m] [--cores 2]

Data are made first, which is not timed. `exponent` is the growth of a rule's seconds from one size to the next, as a
power of the number of samples: 1 is linear. Peak memory is the largest of the rule's jobs.
"""

import json
import math
import tempfile
from pathlib import Path

from report import parser, report
from workflow import ROOT, jobs, run


def main() -> None:
    arguments = parser(__doc__, "scaling")
    arguments.add_argument("--data-sets", nargs="+", default=["synth_u20k", "synth_u200k"])
    arguments.add_argument("--cores", type=int, default=2)
    options = arguments.parse_args()
    rows, before = [], {}
    for name in options.data_sets:
        with tempfile.TemporaryDirectory() as folder:
            run(Path(folder), *(f"data/unlabeled/{name}/features/{model}.npy" for model in models(name)))
            wall = run(Path(folder), f"results/{name}/table.md", cores=options.cores)
            done = jobs(Path(folder))
            samples = json.loads(next(Path(folder).glob(f"results/{name}/features/*.json")).read_text())["samples"]
        now = {"samples": samples, "wall": wall}
        for rule in sorted({job.rule for job in done}):
            mine = [job for job in done if job.rule == rule]
            now[rule] = sum(job.seconds for job in mine)
            row = {"samples": samples, "rule": rule, "jobs": len(mine), "seconds": round(now[rule], 2)}
            rows.append(
                row | {"peak_mb": round(max(job.peak_mb for job in mine)), "exponent": growth(before, now, rule)}
            )
        rows.append(
            {"samples": samples, "rule": "wall", "jobs": len(done), "seconds": round(wall, 2)}
            | {"peak_mb": "", "exponent": growth(before, now, "wall")}
        )
        before = now
    report(options, rows)


def models(name: str) -> list[str]:
    """The models of a synthetic data set."""
    import yaml

    return list(yaml.safe_load((ROOT / f"config/datasets/{name}.yaml").read_text())["synthetic"]["models"])


def growth(before: dict[str, float], now: dict[str, float], what: str) -> float | str:
    """The exponent of the growth since the size before; empty for the first."""
    if what not in before:
        return ""
    return round(math.log(now[what] / before[what]) / math.log(now["samples"] / before["samples"]), 2)


if __name__ == "__main__":
    main()
