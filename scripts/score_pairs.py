"""Score candidate pairs with a mediator. Reads pairs.npz, affinity.npy and the network; writes one score a pair."""

from cdp.candidates import CandidatePairs
from cdp.files import load_array, load_arrays, save_array
from cdp.mediator import Mediator
from scripts.job import run


def main(snakemake):
    candidates = CandidatePairs(*load_arrays(snakemake.input.pairs, *CandidatePairs._fields))
    mediator = Mediator.load(snakemake.input.mediator)
    scores = mediator.predict_pairs(
        candidates,
        load_array(snakemake.input.affinity),
        inputs=snakemake.wildcards.inputs,
        **snakemake.params.settings,
    )
    save_array(snakemake.output[0], scores)


run(main, snakemake)
