"""Whether a change to the code altered a number: digests of trials before and after it.

    python -m benchmarks.same_bits before.json    # at the old commit: writes the file
    python -m benchmarks.same_bits before.json    # at the new one: compares with it

Every encoder × loss × transform, and one of every other way to train, trains two epochs in two
processes at once, which go through the trials in opposite orders: the two must agree as well,
whatever else the process and the machine do.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import multiprocessing
import sys
from dataclasses import astuple
from pathlib import Path
from typing import Any

from vae.components.registry import (
    BETA_SCHEDULES,
    ENCODERS,
    LOSSES,
    OPTIMIZERS,
    TRANSFORMS,
    check_loss_fits,
)
from vae.configuration import Configuration, Trial
from vae.errors import BadInput

_SMALL = {"dataset": "mnist5k", "val_size": 2900, "epochs": 2, "nll_images": 50, "nll_samples": 20}
_SIZES = (
    {"batch_size": 100, "hidden_dim": 400, "latent_dim": 20},
    {"batch_size": 96, "hidden_dim": 50, "latent_dim": 3},  # of which nothing fills a vector
)

_WAYS: tuple[dict[str, Any], ...] = (
    *({"objective": "iwae", "loss": loss} for loss in LOSSES),
    *({"optimizer": optimizer} for optimizer in OPTIMIZERS if optimizer != "adamw"),
    *({"beta_schedule": schedule} for schedule in BETA_SCHEDULES if schedule != "constant"),
    *({"lr_schedule": schedule} for schedule in ("burda", "cosine")),
    {"lr_schedule": "steps", "lr_schedule.at": [1], "lr_schedule.warmup": 0.5},
    {"free_bits": 0.5},
    {"grad_clip": 1},
    {"encoder": "mlp", "decoder": "mlp", "encoder.activation": "tanh", "decoder.bias": "data"},
)
"""Of training, each once, beside what is said there at its default."""


def trials() -> list[Trial]:
    """One of every encoder, loss and transform that go together, in two sizes, and of `_WAYS`."""
    found = []
    for encoder, loss, transform in itertools.product(ENCODERS, LOSSES, TRANSFORMS):
        try:
            check_loss_fits(loss, transform)
        except BadInput:
            continue
        names = {"encoder": encoder, "decoder": encoder, "loss": loss, "transform": transform}
        for sizes in _SIZES:
            configuration = Configuration(**_SMALL, **names, **sizes)
            found.append(Trial(configuration=configuration, seed=3))
    for way in _WAYS:
        fields = {**_SMALL, **_SIZES[1], "encoder": "mlp1", **way}
        found.append(Trial(configuration=Configuration(**fields), seed=3))
    return found


def digests(backwards: bool) -> dict[str, str]:
    """Of every metric and weight of each trial, by its trial_id."""
    from experiments.execution.process import prepare_process

    prepare_process()
    ordered = trials()[::-1] if backwards else trials()
    return {trial.id: _digest(trial) for trial in ordered}


def _digest(trial: Trial) -> str:
    from vae.evaluation.terms import evaluate
    from vae.evaluation.yardstick import score
    from vae.splits import load_splits
    from vae.training import Training, fit

    configuration = trial.configuration
    splits = load_splits(configuration, data_dir="")
    training = Training(trial, splits.train.shape)
    history = list(fit(training, splits, configuration.epochs))
    model = training.kept_model()
    n_samples, n_images = configuration.nll_samples, configuration.nll_images
    numbers = [
        *[astuple(terms) for epoch in history for terms in (epoch.train, epoch.val)],
        astuple(evaluate(model, splits.test, trial.seed)),
        score(model, splits, n_samples, n_images, trial.seed, ("val", "test")),
    ]
    digest = hashlib.sha256(repr(numbers).encode())
    for weights in model.state_dict().values():
        digest.update(weights.numpy().tobytes())
    return digest.hexdigest()


def differences(one: dict[str, str], other: dict[str, str]) -> list[str]:
    """What to call the trials that the two do not agree on."""
    return [
        " ".join(f"{value}" for value in trial.configuration.model_dump().values())
        for trial in trials()
        if one.get(trial.id) != other.get(trial.id)
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.same_bits", description=__doc__)
    parser.add_argument("file", type=Path, help="written if it does not exist, else compared with")
    path = parser.parse_args().file
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        forwards, backwards = pool.map(digests, [False, True], chunksize=1)
    wrong = differences(forwards, backwards)
    if not path.exists():
        path.write_text(json.dumps(forwards, indent=1))
    wrong += differences(forwards, json.loads(path.read_text()))
    for name in wrong:
        print(f"other bits: {name}", file=sys.stderr)
    print(f"{len(forwards) - len(set(wrong))} of {len(forwards)} trials have the same bits")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
