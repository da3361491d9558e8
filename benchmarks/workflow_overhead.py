"""Time in Snakemake and process start-up against time in cdp, for one run of the real workflow.

    python benchmarks/workflow_overhead.py [--data-set demo] [--cores 2]

The mediator, where the data set's experiments use one, is trained beforehand, as in the published timings. Compiled
code is cached by a first run. A row a rule, then the whole: wall time, and the part of it in which no job computed.
"""

import tempfile
from pathlib import Path

from report import parser, report
from workflow import covered, jobs, run


def main() -> None:
    arguments = parser(__doc__, "workflow_overhead")
    arguments.add_argument("--data-set", default="demo")
    arguments.add_argument("--cores", type=int, default=2)
    options = arguments.parse_args()
    target = f"results/{options.data_set}/table.md"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(folder, target, cores=options.cores)
        for path in (folder / "results" / options.data_set).rglob("*"):
            if path.is_file():
                path.unlink()
        wall = run(folder, target, cores=options.cores)
        done = jobs(folder / "results")
        done = [job for job in done if job.end > max(other.end for other in done) - wall]
    rows = []
    for rule in dict.fromkeys(job.rule for job in sorted(done, key=lambda job: job.end)):
        mine = [job for job in done if job.rule == rule]
        seconds, computed = sum(job.seconds for job in mine), sum(job.computed for job in mine)
        rows.append({"rule": rule, "jobs": len(mine), "seconds": round(seconds, 2), "in cdp": round(computed, 2)})
    inside = covered(done)
    rows.append({"rule": "wall", "jobs": len(done), "seconds": round(wall, 2), "in cdp": round(inside, 2)})
    report(options, rows)
    print(f"outside cdp: {100 * (1 - inside / wall):.0f}% of the wall time")


if __name__ == "__main__":
    main()
