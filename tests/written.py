"""A tracked experiment without training: what a sweep would have written, in a second."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from mlflow import MlflowClient

from experiments.metrics import FINAL_METRICS
from experiments.tracking.provenance import Provenance
from experiments.tracking.run_record import State
from experiments.tracking.trial_writer import TrialWriter
from experiments.tracking.writer import ExperimentWriter
from vae.configuration import Configuration, Trial

CODE = Provenance(commit="", diff="", command="python sweep.py tiny.yaml", versions={})
RATES = (1e-3, 5e-4, 1e-4)


def configurations(epochs: int = 2) -> list[Configuration]:
    """Three learning rates, as in `tiny.yaml` of the public reports."""
    return [Configuration(dataset="mnist5k", epochs=epochs, lr=lr) for lr in RATES]


def finals(lr: float, seed: int) -> dict[str, float]:
    """Metrics in which 1e-3 is best."""
    value = 100 + 1e3 * abs(lr - 1e-3) + 0.1 * seed
    return {name: -value if name.endswith("return") else value for name in FINAL_METRICS}


@functools.cache
def empty_database() -> bytes:
    """Of MLflow, which takes seconds to make one."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mlflow.db"
        MlflowClient(f"sqlite:///{path}")
        with contextlib.closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return path.read_bytes()


def write(
    folder: Path,
    name: str = "tiny",
    seeds: Iterable[int] = (0, 1),
    failures: Mapping[tuple[float, int], tuple[str, str]] | None = None,
    epochs: int = 2,
    uri: str = "",
) -> str:
    """Track an experiment in `folder / "mlflow.db"`, or elsewhere.

    Args:
        uri: of a server
        failures: (reason, traceback) of failed trials, by learning rate and seed

    Returns:
        The tracking URI.
    """
    database = folder / "mlflow.db"
    if not uri and not database.exists():
        database.write_bytes(empty_database())
    uri = uri or f"sqlite:///{database}"
    writer = ExperimentWriter.create(uri, name)
    for configuration in configurations(epochs):
        label = f"mlp3 sse none lr={configuration.lr:g}"
        parent = writer.create_configuration_run(configuration, label, seeds)
        for seed in seeds:
            trial = Trial(configuration=configuration, seed=seed)
            run_id = writer.create_trial_run(trial, label, parent, CODE)
            log = TrialWriter(uri, run_id)
            failure = (failures or {}).get((configuration.lr, seed))
            if failure:
                log.fail(*failure)
                continue
            for epoch in range(1, epochs + 1):
                log.log_epoch(epoch, {"val/return": -120.0 / epoch, "train/loss": 120.0 / epoch})
            log.archive({"weights.safetensors": b"w", "configuration.json": b"{}"})
            log.finish(finals(configuration.lr, seed))
        writer.log_image(parent, "samples", np.zeros((28, 28), np.uint8), step=2)
        writer.set_state(parent, State.FAILED if failures else State.FINISHED)
    return uri
