"""What stands above a table of a report: what its numbers measure, of which images."""

from __future__ import annotations

from experiments.metrics import YARDSTICK, find_metric
from experiments.reporting.findings import Findings
from experiments.reporting.sentences import differing, listing

_PIXELS = {"bernoulli": "binarised pixels", "discretised": "8-bit values"}
_SPLITS = {"val": "validation images", "test": "test images", "train": "training images"}


def of_yardstick(findings: Findings) -> str:
    """`test/nll: −log p(x) of the same binarised pixels of the test images of mnist5k, ...`"""
    read = {str(kind).partition(" ")[0] for kind in findings.trials.get("yardstick", ())}
    pixels = listing(sorted(_PIXELS[kind] for kind in read if kind in _PIXELS)) or "pixels"
    of = f"of the same {pixels} of the {_images(findings, YARDSTICK)}"
    apart = listing(differing(findings, YARDSTICK))
    groups = f" It does not rank across groups of other {apart}." if apart else ""
    unit = find_metric(YARDSTICK).unit
    return f"{YARDSTICK}: −log p(x) {of}, in {unit}; {_better(YARDSTICK)}.{groups}"


def of_metric(findings: Findings) -> str:
    """The same of the metric that was asked for."""
    metric = find_metric(findings.metric)
    of = f" of the {_images(findings, metric.name)}" if metric.split else ""
    told = f"{metric.name}{of}, in {metric.unit}; {_better(metric.name)}."
    apart = listing(differing(findings, metric.name))
    if not apart:
        return told
    return (
        f"{told} With other {apart} it measures something else: each group has a best of its own, "
        "and groups are not to be compared here."
    )


def _images(findings: Findings, metric: str) -> str:
    names = [str(name) for name in findings.trials["dataset"].unique()]
    return f"{_SPLITS[find_metric(metric).split]} of {listing(names)}"


def _better(metric: str) -> str:
    return f"{find_metric(metric).direction} is better"
