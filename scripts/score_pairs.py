"""Score candidate pairs with a mediator. Reads pairs.npz, affinity.npy and the network; writes one score a pair."""

from cdp.candidates import CandidatePairs
from cdp.files import map_array, map_arrays, save_array
from cdp.mediator import Mediator
from cdp.memory import scores_at_a_time
from scripts.job import run


def main(snakemake):
    candidates = CandidatePairs(*map_arrays(snakemake.input.pairs, *CandidatePairs._fields))
    affinity = map_array(snakemake.input.affinity)
    mediator = Mediator.load(snakemake.input.mediator)
    scores = mediator.predict_pairs(
        candidates,
        affinity,
        inputs=snakemake.wildcards.inputs,
        rows=scores_at_a_time(snakemake.resources.mem_mb, n_pairs=len(affinity), models=affinity.shape[1]),
        **snakemake.params.settings,
    )
    save_array(snakemake.output[0], scores)


run(main, snakemake)
