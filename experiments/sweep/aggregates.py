"""What a configuration run says of its trials: means, their curve, a grid of samples."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from experiments.metrics import AGGREGATED


def aggregate(finals: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Means over the final metrics of a configuration's finished trials.

    A value that is not finite is left out, and its trial does not count as finished.
    """
    from experiments.analysis.statistics import describe  # pandas takes its time to import

    finals = list(finals)
    aggregates: dict[str, float] = {"n_finished": sum(map(_has_no_gap, finals))}
    for name, metric in AGGREGATED.items():
        found = np.array([final[metric] for final in finals if metric in final])
        values = found[np.isfinite(found)]
        statistics = describe(values)
        for statistic in ("mean", "std", "ci95_low", "ci95_high"):
            if not np.isnan(statistics[statistic]):
                aggregates[f"{name}.{statistic}"] = statistics[statistic]
    return aggregates


def _has_no_gap(final: Mapping[str, float]) -> bool:
    return all(np.isfinite(final[m]) for m in AGGREGATED.values() if m in final)


def mean_curve(curves: Iterable[Iterable[tuple[int, float]]]) -> list[tuple[int, float]]:
    """The mean over seeds at every epoch that all of them have."""
    values = [dict(curve) for curve in curves]
    epochs = sorted(set.intersection(*(set(curve) for curve in values)))
    return [(epoch, float(np.mean([curve[epoch] for curve in values]))) for epoch in epochs]


def mean_sorted(kls: Iterable[Sequence[float]]) -> list[float]:
    """The mean over seeds of the KL of the most used latent dimension, the next, and so on: which
    dimension that is, every seed decides anew.
    """
    ranked = [sorted(kl, reverse=True) for kl in kls]
    return [float(mean) for mean in np.mean(ranked, axis=0)] if ranked else []


def sample_grid(images: Iterable[np.ndarray], n_rows: int) -> np.ndarray | None:
    """One strip of samples a seed: the top row of its trial's last image, which has `n_rows`."""
    strips = [image[: image.shape[0] // n_rows] for image in images]
    return np.concatenate(strips, axis=0) if strips else None
