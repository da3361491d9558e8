"""Show clusters as pictures. Reads clusters, confidence, scores, names, images, labels; writes a page and its data."""

import logging

from cdp.confidence import Confidence
from cdp.contact_sheets import write_contact_sheets
from cdp.evidence import near_merges, strongest_ties, weakest_cuts
from cdp.export import sample_names
from cdp.files import load_array, load_arrays
from cdp.images import open_images
from cdp.labels import read_labels
from cdp.selection import kept_pairs, threshold_of, with_choice
from scripts.job import run


def main(snakemake):
    files, setting = snakemake.input, snakemake.wildcards
    pairs, n_samples = load_arrays(files.pairs, "pairs", "n_samples")
    scores = load_array(files.scores)
    kept, kept_scores = kept_pairs(pairs, scores, threshold_of(setting.threshold, files.choice))
    title = "{dataset}, {committee}: {scoring}, k{k}, th{threshold}".format(**setting)
    confidence = Confidence(*load_arrays(files.confidence, *Confidence._fields))
    clusters = read_labels(files.clusters, n_samples=int(n_samples))
    with open_images(files.images) as images:
        blanks = write_contact_sheets(
            snakemake.output.page,
            snakemake.output.data,
            title=with_choice(title, files.choice[0]) if files.choice else title,
            names=sample_names(files.names[0], len(clusters)),
            images=images,
            clusters=clusters,
            confidence=confidence,
            cuts=weakest_cuts(kept, kept_scores, clusters, confidence),
            ties=strongest_ties(pairs, scores, clusters),
            merges=near_merges(pairs, scores, clusters),
            max_size=int(setting.max_size),
            labels=read_labels(files.labels[0], n_samples=len(clusters)) if files.labels else None,
            threads=snakemake.threads,
        )
    if blanks:
        logging.warning("warning: %d samples have no image that can be read in %s", blanks, files.images)


run(main, snakemake)
