"""Risk and coverage. Reads meta.txt and confidence.npz of experiments, and labels; writes their curves."""

from cdp.files import load_arrays, write_csv
from cdp.labels import read_labels
from cdp.risk_coverage import impurity, risk_coverage
from scripts.job import run


def main(snakemake):
    truth = read_labels(snakemake.input.labels[0])
    rows = []
    for series, clusters, confidences in zip(
        snakemake.params.series, snakemake.input.clusters, snakemake.input.confidences, strict=True
    ):
        labels = read_labels(clusters, n_samples=len(truth))
        (confidence,) = load_arrays(confidences, "samples")
        clustered = labels >= 0
        risks = risk_coverage(confidence[clustered], impurity(truth[clustered], labels[clustered]))
        for number, risk in enumerate(risks, start=1):
            coverage = number / len(risks)
            rows.append({"series": series, "coverage": coverage, "risk": risk, "area": risks.mean()})
    write_csv(snakemake.output[0], rows)


run(main, snakemake)
