"""What users bring: checked first; the published archive can be fetched, synthetic data sets are made.

Reads data/KIND/D/{features/M.npy|.bin, list.txt, meta.txt}; makes results/D/features/M.json (samples, dim).
Where asked for, fills data/ from the published archive; makes results/fetch_emore.txt (path and size of each file).
Of data sets with a `synthetic` entry, and only of these, makes data/KIND/D/{meta.txt, features/M.npy}.
"""


rule check_features:
    """A model's features by themselves and beside the other files of the data set, before anything long begins.

    Those are no inputs, so that a new label does not stale the graphs: what reads labels checks them again.
    """
    input:
        features=lambda w: feature_file(w.dataset, w.model),
    output:
        "results/{dataset}/features/{model}.json",
    log:
        "results/{dataset}/features/{model}.log",
    benchmark:
        "results/{dataset}/features/{model}.benchmark.jsonl"
    priority: 1
    threads: 1
    resources:
        mem_mb=memory(500, 1.1),
    params:
        dim=lambda w: dim_of(w.dataset, w.model),
        file=lambda w: fingerprints(w.dataset, [feature_file(w.dataset, w.model)]),
        folder=lambda w: data_folder(w.dataset),
        reference=lambda w: reference_of(w.dataset),
        source=source_hash("check_features.py"),
    message:
        "{wildcards.dataset}: check the features of {wildcards.model}"
    script:
        "../scripts/check_features.py"


def fetched_and_gone(wildcards):
    """Files that were fetched once and are not there any more, which makes fetching them stale."""
    listing = Path("results/fetch_emore.txt")
    lines = listing.read_text(encoding="utf-8").splitlines() if listing.exists() else []
    return [path for path in (line.split("\t")[0] for line in lines) if not os.path.exists(path)]


localrules:
    fetch_emore,


rule fetch_emore:
    """The published data sets, unpacked into data/. Their files are no outputs: Snakemake would delete them first."""
    output:
        "results/fetch_emore.txt",
    log:
        "results/fetch_emore.log",
    benchmark:
        "results/fetch_emore.benchmark.jsonl"
    threads: 1
    resources:
        mem_mb=memory(1000),
    params:
        url=config["fetch_emore"]["url"],
        dims={name: entry.get("dim") for name, entry in sorted(config["datasets"].items()) if "source" in entry},
        gone=fetched_and_gone,
        source=source_hash("fetch_emore.py"),
    message:
        "download and unpack the published data sets"
    script:
        "../scripts/fetch_emore.py"


rule synthetic_labels:
    """The identities of a synthetic data set's samples."""
    output:
        "data/{kind}/{dataset}/meta.txt",
    log:
        "data/{kind}/{dataset}/meta.log",
    benchmark:
        "data/{kind}/{dataset}/meta.benchmark.jsonl"
    wildcard_constraints:
        dataset=synthetic_names(),
    threads: 1
    resources:
        mem_mb=memory(1000),
    params:
        settings=synthetic_identities,
        source=source_hash("synthetic_labels.py"),
    message:
        "{wildcards.dataset}: draw the identities of its samples"
    script:
        "../scripts/synthetic_labels.py"


rule synthetic:
    """A model's features of a synthetic data set."""
    input:
        "data/{kind}/{dataset}/meta.txt",
    output:
        "data/{kind}/{dataset}/features/{model}.npy",
    log:
        "data/{kind}/{dataset}/features/{model}.log",
    benchmark:
        "data/{kind}/{dataset}/features/{model}.benchmark.jsonl"
    wildcard_constraints:
        dataset=synthetic_names(),
    threads: 4
    resources:
        mem_mb=memory(1500),
    params:
        settings=synthetic_model,
        source=source_hash("synthetic.py"),
    message:
        "{wildcards.dataset}: make the features of {wildcards.model}"
    script:
        "../scripts/synthetic.py"
