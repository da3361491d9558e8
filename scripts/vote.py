"""Score candidate pairs by vote. Reads pairs.npz, writes one score a pair."""

from cdp.candidates import CandidatePairs
from cdp.files import map_arrays, save_array
from cdp.voting import vote_scores
from scripts.job import run


def main(snakemake):
    candidates = CandidatePairs(*map_arrays(snakemake.input.pairs, *CandidatePairs._fields))
    save_array(snakemake.output[0], vote_scores(candidates, accept=int(snakemake.wildcards.accept)))


run(main, snakemake)
