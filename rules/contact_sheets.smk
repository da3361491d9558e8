"""Clusters as pictures, for data sets that have images.

Reads meta.txt, confidence.npz, pairs.npz, scores_SCORING.npy, list.txt, the images and, where there are any, labels; makes,
beside meta.txt, contact_sheets/index.html and what it shows in contact_sheets/data/.
"""


def images_of(name):
    """The folder or the .zip that the config names, from the data set's folder."""
    images = dataset_entry(name).get("images")
    if images is None:
        fail(
            f"data set {name!r} has no images; name their folder or .zip in config/datasets/{name}.yaml, as `images:`, "
            f"from {data_folder(name)}"
        )
    path = os.path.normpath(os.path.join(data_folder(name), images))
    if not os.path.exists(path):
        fail(f"{path} is missing; correct `images:` in config/datasets/{name}.yaml, or put the images there")
    if not list_of(name):
        fail(f"{data_folder(name)}/list.txt is missing, but contact sheets find images by the samples' names")
    return path


def files_shown(name):
    """The user's files: names, labels and a .zip of images. Images in a folder are not looked at again when they change."""
    return [path for path in (images_of(name), *list_of(name), *labels_of(name)) if os.path.isfile(path)]


rule contact_sheets:
    """Pages of the largest, the most doubtful and the mixed clusters, and of those that nearly merged."""
    input:
        template=f"{workflow.basedir}/cdp/contact_sheets.html",
        clusters=f"{CLUSTER_DIR}/meta.txt",
        confidence=f"{CLUSTER_DIR}/confidence.npz",
        pairs=f"{PAIR_DIR}/pairs.npz",
        scores=scores_of_experiment,
        choice=chosen_threshold,
        images=lambda w: images_of(w.dataset),
        names=lambda w: list_of(w.dataset),
        labels=lambda w: labels_of(w.dataset),
    output:
        page=f"{CLUSTER_DIR}/contact_sheets/index.html",
        data=directory(f"{CLUSTER_DIR}/contact_sheets/data"),
    log:
        f"{CLUSTER_DIR}/contact_sheets.log",
    benchmark:
        f"{CLUSTER_DIR}/contact_sheets.benchmark.jsonl"
    threads: 8
    resources:
        mem_mb=lambda w, input, attempt: attempt * (1000 + 8 * int(input.size_files_mb[3] + input.size_files_mb[4])),
    params:
        images=lambda w: images_of(w.dataset),
        shown=lambda w: fingerprints(w.dataset, files_shown(w.dataset)),
        source=source_hash("contact_sheets.py"),
    message:
        "{wildcards.dataset}: contact sheets of {wildcards.scoring}, threshold {wildcards.threshold}"
    script:
        "../scripts/contact_sheets.py"


localrules:
    all_contact_sheets,


rule all_contact_sheets:
    """Contact sheets of all experiments of the data sets in `tables`."""
    input:
        [
            cluster_file(name, experiment, "contact_sheets/index.html")
            for name in config["tables"]
            for experiment in config["datasets"][name]["experiments"]
        ],
