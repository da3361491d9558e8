"""Train a mediator. Reads a labelled set's pairs.npz, affinity.npy and meta.txt; writes the network."""

from cdp.candidates import CandidatePairs
from cdp.files import map_array, map_arrays
from cdp.ground_truth import same_identity
from cdp.labels import read_labels
from cdp.mediator import Mediator, mediator_inputs
from scripts.job import run


def main(snakemake):
    *fields, n_samples = map_arrays(snakemake.input.pairs, *CandidatePairs._fields, "n_samples")
    candidates = CandidatePairs(*fields)
    labels = read_labels(snakemake.input.labels[0], n_samples=int(n_samples))
    inputs = mediator_inputs(candidates, map_array(snakemake.input.affinity), inputs=snakemake.wildcards.inputs)
    mediator = Mediator.fit(inputs, same_identity(candidates.pairs, labels), **snakemake.params.settings)
    mediator.save(snakemake.output[0])


run(main, snakemake)
