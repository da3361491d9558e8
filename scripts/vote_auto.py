"""Score candidate pairs by vote, with the chosen number. Reads pairs.npz, threshold.json; writes one score a pair."""

from cdp.candidates import CandidatePairs
from cdp.files import map_arrays, read_json, save_array
from cdp.voting import vote_scores
from scripts.job import run


def main(snakemake):
    candidates = CandidatePairs(*map_arrays(snakemake.input.pairs, *CandidatePairs._fields))
    accept = read_json(snakemake.input.choice)["accept"]
    save_array(snakemake.output[0], vote_scores(candidates, accept=accept))


run(main, snakemake)
