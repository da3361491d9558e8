"""Figures of a data set's results: each a CSV with its numbers, drawn as SVG.

Reads table.csv, sweeps, clusters, confidences, scores, labels and the jobs' benchmark files; makes
results/D/figures/NAME.csv and, from that alone, results/D/figures/NAME.svg.
"""

FIGURE_DIR = "results/{dataset}/figures"
FIGURES = {  # in the order of the report: title, and what it shows
    "precision_recall": (
        "Precision and recall",
        "Each line follows one scoring over all its thresholds; the dot on it is the experiment of the table, grey marks "
        "are the baselines. Up is purer clusters, right is more complete ones; dotted lines join points of equal F.",
    ),
    "f_threshold": (
        "F over the threshold",
        "Pairwise F of each scoring at every threshold, the dot is the experiment of the table. A broad top forgives a "
        "threshold that is a little off; a dot beside the top shows what choosing it on other data cost.",
    ),
    "cluster_sizes": (
        "Sizes of clusters",
        "Share of the samples that are in clusters of at least a given size; a discarded sample counts as a cluster of "
        "one. The broad grey line, where there are labels, is the truth: a line below it has split identities, one "
        "above it has joined some.",
    ),
    "risk_coverage": (
        "What confidence is worth",
        "Clustered samples are taken in the order of their confidence; the line shows which share of their clusters is of "
        "another identity, on average. A line that rises late means that confidence finds the mistakes; the area under it is the "
        "mean height, in per cent.",
    ),
    "calibration": (
        "Does the mediator's probability mean what it says?",
        "Pairs are put into ten bins by the mediator's probability. Above: which share of each bin's pairs are truly of one "
        "identity; on the diagonal, probabilities are right. Below: how many pairs the bins hold.",
    ),
    "quality_time": (
        "Quality and time",
        "Pairwise F over the seconds of all jobs that led to the clusters, kNN graphs included. Up and left is better.",
    ),
    "stage_times": (
        "Time by stage",
        "Seconds of each stage's jobs, process start included. Experiments share the files of stages that they have in "
        "common, so the whole run takes less than the sum.",
    ),
    "knn_recall": (
        "Recall of the kNN graphs",
        "Share of the true nearest neighbours that each model's search found, measured on a sample.",
    ),
}


def figures_of(name):
    """The figures that the data set has what it takes for, in the order of the report."""
    experiments = scored_experiments(name)
    wanted = {"cluster_sizes", "knn_recall", "stage_times"}
    if labels_of(name):
        wanted |= {"precision_recall", "quality_time"}
        wanted |= {"risk_coverage"} if experiments else set()
        wanted |= {"f_threshold"} if sweeps_of(name) else set()
        wanted |= {"calibration"} if any(e["strategy"] == "mediator" for e in experiments) else set()
    return [figure for figure in FIGURES if figure in wanted]


def figure_file(name, figure, end):
    return f"{FIGURE_DIR}/{figure}.{end}".format(dataset=name)


def scored_experiments(name):
    """All but the ground truth, which scores by the labels."""
    return [experiment for experiment in dataset_entry(name)["experiments"] if experiment["strategy"] != "ground_truth"]


def series_names(name, *, threshold):
    """A short name for each experiment: committee, strategy, and what not all have in common.

    Without `threshold`, experiments of one scoring share their name; with it, it is told where it tells them apart.
    """
    experiments = dataset_entry(name)["experiments"]
    words = [setting_text(experiment_wildcards(name, e), e).split() for e in experiments]
    common = set.intersection(*map(set, words)) if words else set()
    names = []
    for experiment, own in zip(experiments, words):
        parts = [word for word in own if word not in common and not word.startswith("th")]
        names.append(" ".join([f"{experiment['committee']}: {experiment['strategy'].replace('_', ' ')}", *parts]))
    if not threshold:
        return names
    return [
        f"{series} th{experiment['threshold']}" if names.count(series) > 1 and "threshold" in experiment else series
        for series, experiment in zip(names, experiments)
    ]


def sweeps_of(name):
    """Of the data set itself, by the name of their curve."""
    return {
        series: f"{SWEEP_DIR}/sweep.csv".format(**experiment_wildcards(name, experiment))
        for series, experiment in zip(series_names(name, threshold=False), dataset_entry(name)["experiments"])
        if experiment["strategy"] != "ground_truth" and experiment.get("accept") != "auto"
    }


def named_files(name, file, experiments):
    """A file of each of these experiments, by the experiment's name."""
    series = zip(series_names(name, threshold=True), dataset_entry(name)["experiments"])
    return {
        series_name: cluster_file(name, experiment, file)
        for series_name, experiment in series
        if experiment in experiments
    }


def mediator_scores(name):
    """The mediators' scores of the data set's pairs, by the name of their curve: their path and that of the pairs."""
    files = {}
    for series, experiment in zip(series_names(name, threshold=False), dataset_entry(name)["experiments"]):
        if experiment["strategy"] == "mediator":
            wildcards = experiment_wildcards(name, experiment)
            files[series] = [
                f"{PAIR_DIR}/{file}".format(**wildcards) for file in ("pairs.npz", f"scores_{wildcards['scoring']}.npy")
            ]
    return files


def stage_benchmarks(name):
    """Of each experiment, by its name: the benchmark files of each stage."""
    stages = {}
    for series, row in zip(series_names(name, threshold=True), table_rows(name)):
        stages[series] = {"kNN": row["knn_benchmarks"]}
        for path in row["cluster_benchmarks"]:
            folder = Path(path).parent.name
            made = folder if folder.endswith("_shards") else Path(path).name
            stage = made.split(".")[0].split("_")[0].replace("meta", "propagation")
            stages[series].setdefault(stage, []).append(path)
    return stages


def graphs_of(name):
    """Model and k of each kNN graph that an experiment uses, by the file that holds its recall."""
    graphs = {}
    for path in recalls(table_rows(name)):
        model, k = Path(path).stem.rsplit("_k", 1)
        graphs[path] = [model, int(k)]
    return graphs


rule quality:
    """What experiments and baselines reached, beside the whole curves of the experiments' scorings."""
    input:
        choices=lambda w: choices(table_rows(w.dataset)),
        table="results/{dataset}/table.csv",
        sweeps=lambda w: sweeps_of(w.dataset).values(),
        labels=lambda w: required_labels(w.dataset, "a figure of precision and recall"),
    output:
        precision_recall=f"{FIGURE_DIR}/precision_recall.csv",
        f_threshold=f"{FIGURE_DIR}/f_threshold.csv",
        quality_time=f"{FIGURE_DIR}/quality_time.csv",
    log:
        f"{FIGURE_DIR}/quality.log",
    benchmark:
        f"{FIGURE_DIR}/quality.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=memory(500),
    params:
        experiments=lambda w: [
            [series, experiment.get("threshold"), [row["choice"]] if row["choice"] else []]
            for series, experiment, row in zip(
                series_names(w.dataset, threshold=False),
                dataset_entry(w.dataset)["experiments"],
                table_rows(w.dataset),
            )
        ],
        sweeps=lambda w: sweeps_of(w.dataset),
        source=source_hash("quality.py"),
    message:
        "{wildcards.dataset}: quality of experiments, baselines and sweeps"
    script:
        "../scripts/quality.py"


rule costs:
    """Time of each experiment's stages; recall of the kNN graphs."""
    input:
        evaluations=lambda w: evaluations(table_rows(w.dataset)),
        recalls=lambda w: recalls(table_rows(w.dataset)),
    output:
        stage_times=f"{FIGURE_DIR}/stage_times.csv",
        knn_recall=f"{FIGURE_DIR}/knn_recall.csv",
    log:
        f"{FIGURE_DIR}/costs.log",
    benchmark:
        f"{FIGURE_DIR}/costs.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=memory(500),
    params:
        stages=lambda w: stage_benchmarks(w.dataset),
        models=lambda w: graphs_of(w.dataset),
        source=source_hash("costs.py"),
    message:
        "{wildcards.dataset}: time of the stages, recall of the kNN graphs"
    script:
        "../scripts/costs.py"


rule cluster_sizes:
    """How many clusters of each size experiments found, and how many there truly are."""
    input:
        clusters=lambda w: named_files(w.dataset, "meta.txt", dataset_entry(w.dataset)["experiments"]).values(),
        labels=lambda w: labels_of(w.dataset),
    output:
        f"{FIGURE_DIR}/cluster_sizes.csv",
    log:
        f"{FIGURE_DIR}/cluster_sizes.log",
    benchmark:
        f"{FIGURE_DIR}/cluster_sizes.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * (500 + 20 * int(max(input.size_files_mb))),
    params:
        series=lambda w: named_files(w.dataset, "meta.txt", dataset_entry(w.dataset)["experiments"]),
        labels=lambda w: fingerprints(w.dataset, labels_of(w.dataset)),
        source=source_hash("cluster_sizes.py"),
    message:
        "{wildcards.dataset}: sizes of clusters"
    script:
        "../scripts/cluster_sizes.py"


rule risk_coverage:
    """Impurity of the clusters of the most confident samples (docs/confidence.md)."""
    input:
        clusters=lambda w: named_files(w.dataset, "meta.txt", scored_experiments(w.dataset)).values(),
        confidences=lambda w: named_files(w.dataset, "confidence.npz", scored_experiments(w.dataset)).values(),
        labels=lambda w: required_labels(w.dataset, "a risk-coverage curve"),
    output:
        f"{FIGURE_DIR}/risk_coverage.csv",
    log:
        f"{FIGURE_DIR}/risk_coverage.log",
    benchmark:
        f"{FIGURE_DIR}/risk_coverage.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * (500 + 50 * int(max(input.size_files_mb))),
    params:
        series=lambda w: list(named_files(w.dataset, "meta.txt", scored_experiments(w.dataset))),
        labels=lambda w: fingerprints(w.dataset, labels_of(w.dataset)),
        source=source_hash("risk_coverage.py"),
    message:
        "{wildcards.dataset}: risk and coverage of the experiments' confidence"
    script:
        "../scripts/risk_coverage.py"


rule calibration:
    """The mediators' probabilities beside what is true."""
    input:
        files=lambda w: [path for paths in mediator_scores(w.dataset).values() for path in paths],
        labels=lambda w: required_labels(w.dataset, "calibration"),
    output:
        f"{FIGURE_DIR}/calibration.csv",
    log:
        f"{FIGURE_DIR}/calibration.log",
    benchmark:
        f"{FIGURE_DIR}/calibration.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=lambda w, input, attempt: attempt * (500 + 3 * int(max(input.size_files_mb))),
    params:
        series=lambda w: mediator_scores(w.dataset),
        labels=lambda w: fingerprints(w.dataset, labels_of(w.dataset)),
        source=source_hash("calibration.py"),
    message:
        "{wildcards.dataset}: calibration of the mediators"
    script:
        "../scripts/calibration.py"


rule figure:
    """A figure, from its CSV alone."""
    input:
        f"{FIGURE_DIR}/{{figure}}.csv",
    output:
        report(
            f"{FIGURE_DIR}/{{figure}}.svg",
            caption="../captions/figure.rst",
            category="{dataset}",
            labels={"what": "{figure}"},
        ),
    log:
        f"{FIGURE_DIR}/{{figure}}.svg.log",
    benchmark:
        f"{FIGURE_DIR}/{{figure}}.svg.benchmark.jsonl"
    wildcard_constraints:
        figure="|".join(FIGURES),
    threads: 1
    resources:
        mem_mb=memory(500),
    params:
        caption=lambda w: FIGURES[w.figure][1],
        source=source_hash("figure.py"),
    message:
        "{wildcards.dataset}: figure {wildcards.figure}"
    script:
        "../scripts/figure.py"


rule report_page:
    """The table and all figures on one page that needs nothing else."""
    input:
        table="results/{dataset}/table.md",
        figures=lambda w: [figure_file(w.dataset, figure, "svg") for figure in figures_of(w.dataset)],
        numbers=lambda w: [figure_file(w.dataset, figure, "csv") for figure in figures_of(w.dataset)],
    output:
        "results/{dataset}/report/index.html",
    log:
        "results/{dataset}/report/index.log",
    benchmark:
        "results/{dataset}/report/index.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=memory(500),
    params:
        captions=lambda w: [[figure, *FIGURES[figure]] for figure in figures_of(w.dataset)],
        source=source_hash("report_page.py"),
    message:
        "{wildcards.dataset}: report"
    script:
        "../scripts/report_page.py"
