"""Row `peak`: training as a share of the matrix products that the same cores can do.

As many processes as there are cores train at once, and multiply large matrices at once, in turns,
one thread each: what the machine's other cores and its memory do to one, they do to the other.
"""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from typing import Any

from benchmarks.figures import Figure
from benchmarks.options import Options
from vae.configuration import Configuration, Trial

_MATRIX = 2048
_MODELS = {  # goals are for the fully connected networks
    "mlp1 sse": (0.70, {"encoder": "mlp1", "loss": "sse"}),
    "mlp1 bce": (0.70, {"encoder": "mlp1", "loss": "bce"}),
    "mlp3 sse": (0.70, {"encoder": "mlp3", "loss": "sse"}),
    "mlp3 bce": (0.70, {"encoder": "mlp3", "loss": "bce"}),
    "conv bce": (None, {"encoder": "conv", "decoder": "conv", "loss": "bce"}),
}


def measure(options: Options) -> list[Figure]:
    n, spawn = options.n_cores, multiprocessing.get_context("spawn")
    repetitions = 3 if options.quick else 15
    with spawn.Manager() as manager:
        jobs = [(manager.Barrier(n), str(options.data_dir), repetitions)] * n
        with spawn.Pool(n) as pool:
            found = pool.starmap(_shares, jobs, chunksize=1)
    return [
        Figure("peak", f"{name}: training ÷ matrix products", _all(found, name), goal, True)
        for name, (goal, _) in _MODELS.items()
    ]


def _all(found: list[dict[str, list[float]]], name: str) -> list[float]:
    """Of every process and repetition."""
    return [share for shares in found for share in shares[name]]


def _shares(barrier: Barrier, data_dir: str, repetitions: int) -> dict[str, list[float]]:
    from experiments.execution.process import prepare_process

    prepare_process()
    return {
        name: _shares_of(Configuration(epochs=10_000, **fields), barrier, data_dir, repetitions)
        for name, (_, fields) in _MODELS.items()
    }


def _shares_of(
    configuration: Configuration, barrier: Barrier, data_dir: str, repetitions: int
) -> list[float]:
    """By repetition; the first, which warms up, is left out."""
    from benchmarks.flops import training_flops
    from vae.splits import load_splits
    from vae.training import Training, fit

    whole = load_splits(configuration, data_dir)
    n_images = 2_000 if configuration.encoder == "conv" else 15_000
    val = whole.val.part(0, 100)
    splits = replace(whole, train=whole.train.part(0, n_images), val=val)
    training = Training(Trial(configuration=configuration, seed=0), whole.train.shape)
    flops = training_flops(configuration, whole.train.shape)
    matrices = _matrices()
    shares = []
    for epoch in range(1, repetitions + 2):
        barrier.wait()
        peak = _multiply(*matrices)
        barrier.wait()
        (metrics,) = fit(training, splits, until=epoch)
        shares.append(flops * metrics.images_per_second / peak)
    return shares[1:]


def _matrices() -> tuple[Any, Any, Any]:
    import torch

    source = torch.Generator().manual_seed(0)
    one, other = (torch.randn(_MATRIX, _MATRIX, generator=source) for _ in range(2))
    return one, other, torch.empty(_MATRIX, _MATRIX)


def _multiply(one: Any, other: Any, product: Any, times: int = 4) -> float:
    """Floating-point operations per second."""
    import torch

    started = time.perf_counter()
    for _ in range(times):
        torch.mm(one, other, out=product)
    return times * 2 * _MATRIX**3 / (time.perf_counter() - started)
