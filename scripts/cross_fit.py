"""Score a labelled set's pairs by cross-fitting. Reads pairs, affinity, labels; writes one score a pair and split."""

from cdp.candidates import CandidatePairs
from cdp.cross_fit import cross_fit
from cdp.files import map_array, map_arrays, save_array
from cdp.labels import read_labels
from cdp.mediator import mediator_inputs
from scripts.job import run


def main(snakemake):
    *fields, n_samples = map_arrays(snakemake.input.pairs, *CandidatePairs._fields, "n_samples")
    candidates = CandidatePairs(*fields)
    labels = read_labels(snakemake.input.labels[0], n_samples=int(n_samples))
    inputs = mediator_inputs(candidates, map_array(snakemake.input.affinity), inputs=snakemake.wildcards.inputs)
    save_array(snakemake.output[0], cross_fit(inputs, candidates.pairs, labels, **snakemake.params.settings))


run(main, snakemake)
