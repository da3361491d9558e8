"""Calibration. Reads pairs.npz, the mediators' scores and labels; writes probabilities beside what is true."""

from cdp.calibration import calibration
from cdp.files import load_array, map_arrays, write_csv
from cdp.ground_truth import same_identity
from cdp.labels import read_labels
from scripts.job import run


def main(snakemake):
    labels = read_labels(snakemake.input.labels[0])
    rows = []
    for series, (pairs, scores) in snakemake.params.series.items():
        same = same_identity(map_arrays(pairs, "pairs")[0], labels)
        rows += [{"series": series} | row for row in calibration(load_array(scores), same)]
    write_csv(snakemake.output[0], rows)


run(main, snakemake)
