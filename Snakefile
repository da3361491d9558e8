"""Consensus-Driven Propagation: from feature files to clusters and a table of results."""

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # jobs share the CPUs, so idle threads must not spin


include: "rules/config.smk"


config.update(config_of_run(config))
if workflow.nodes:  # jobs go to a cluster
    workflow.global_resources["_cores"] = None  # `cores` in profiles/default, which counts this machine's, bounds none
    workflow.global_resources["lane"] = 1  # what profiles/slurm says of groups
check_writable("results")
mend_after_power_loss()


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/knn.smk"
include: "rules/pairs.smk"


if config["knn"]["shards"] > 1:

    include: "rules/shards.smk"


include: "rules/mediator.smk"
include: "rules/threshold.smk"
include: "rules/propagation.smk"
include: "rules/confidence.smk"
include: "rules/baselines.smk"
include: "rules/grid_search.smk"
include: "rules/evaluation.smk"
include: "rules/export.smk"
include: "rules/contact_sheets.smk"
include: "rules/report.smk"
include: "rules/figures.smk"
include: "rules/provenance.smk"


localrules:
    tables,
    sweeps,
    table,
    cdp,
    fetch_emore,


rule tables:
    """The result table of every data set that the config lists under `tables`."""
    default_target: True
    input:
        [table_files(dataset) for dataset in config["tables"]],


onerror:
    sentences = [line for path in log for line in Path(path).read_text().splitlines() if line.startswith("error: ")]
    print(*dict.fromkeys(sentences), sep="\n", file=sys.stderr)
