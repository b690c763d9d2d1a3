"""Row `diagnostics`: what every trial pays to say whether its latent space is used.

In one process and one thread, as a worker has: an epoch and the diagnostics in turns, held against
the five epochs and the evaluation of a trial on full MNIST.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from benchmarks.figures import Figure
from benchmarks.options import Options
from vae.configuration import Configuration, Trial

_EPOCHS = 5
_GOAL = 0.02


def measure(options: Options) -> list[Figure]:
    from experiments.execution.process import prepare_process

    prepare_process()
    return [
        Figure("diagnostics", f"{name}: diagnostics ÷ a trial of 5 epochs", shares, _GOAL)
        for name in ("mlp1", "mlp3")
        for shares in [_shares(Configuration(encoder=name, loss="bce"), options)]
    ]


def _shares(configuration: Configuration, options: Options) -> list[float]:
    """By repetition; the first, which warms up, is left out."""
    from vae.evaluation.diagnostics import latent_use
    from vae.evaluation.terms import evaluate
    from vae.evaluation.yardstick import score
    from vae.splits import load_splits
    from vae.training import Training, fit

    splits = load_splits(configuration, str(options.data_dir))
    training = Training(Trial(configuration=configuration, seed=0), splits.train.shape)
    n_samples, n_images = configuration.nll_samples, configuration.nll_images
    shares = []
    for epoch in range(1, 3 if options.quick else 6):
        epoch_seconds = _seconds(lambda e=epoch: list(fit(training, splits, e)))  # type: ignore[misc]
        final = _seconds(lambda: evaluate(training.model, splits.test, 0))
        final += _seconds(
            lambda: score(training.model, splits, n_samples, n_images, 0, ("val", "test"))
        )
        use = _seconds(lambda: latent_use(training.model, splits.test, 0))
        shares.append(use / (_EPOCHS * epoch_seconds + final + use))
    return shares[1:]


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
