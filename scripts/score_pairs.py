"""Score candidate pairs with a mediator. Reads pairs.npz, affinity.npy and the network; writes one score a pair."""

from cdp.files import load_array, load_arrays, save_array
from cdp.mediator import Mediator, mediator_inputs
from cdp.pairs import CandidatePairs
from scripts.job import run


def main(snakemake):
    candidates = CandidatePairs(*load_arrays(snakemake.input.pairs, *CandidatePairs._fields))
    inputs = mediator_inputs(candidates, load_array(snakemake.input.affinity), inputs=snakemake.wildcards.inputs)
    mediator = Mediator.load(snakemake.input.mediator)
    save_array(snakemake.output[0], mediator.predict(inputs, **snakemake.params.settings))


run(main, snakemake)
