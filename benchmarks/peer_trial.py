"""A trial as the peers run it: the project's own training function, tracked in MLflow.

So that what is compared is the harness and not the loop. It writes no pictures and no checkpoints,
reads back nothing, and cannot be resumed: less than the project's own worker does.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any

DATASET = "mnist5k"
GRID: dict[str, list[str]] = {
    "encoder": ["mlp1", "mlp3"],
    "loss": ["sse", "bce"],
    "transform": ["none", "grayscale", "binarize"],
}


def points() -> list[dict[str, str]]:
    """Every combination of the grid."""
    return [dict(zip(GRID, names, strict=True)) for names in itertools.product(*GRID.values())]


def run(fields: dict[str, str], epochs: int, tracking_uri: str) -> float:
    """Train and track the trial; returns its return."""
    from experiments.execution.process import prepare_process
    from experiments.execution.worker import epoch_metrics
    from vae.configuration import Configuration, Trial
    from vae.evaluation.terms import evaluate
    from vae.evaluation.yardstick import score
    from vae.splits import load_splits
    from vae.training import Training, fit

    prepare_process()
    trial = Trial(configuration=Configuration(dataset=DATASET, epochs=epochs, **fields), seed=0)
    configuration = trial.configuration
    splits = load_splits(configuration, "")
    training = Training(trial, splits.train.shape)
    client, experiment_id = _client(tracking_uri)
    run_id = client.create_run(experiment_id).info.run_id
    _log(client, run_id, 0, params={**configuration.model_dump(), "seed": 0})
    for metrics in fit(training, splits, epochs):
        _log(client, run_id, metrics.epoch, metrics=epoch_metrics(metrics, configuration.beta))
    model = training.kept_model()
    test = evaluate(model, splits.test, trial.seed)
    n_samples, n_images = configuration.nll_samples, configuration.nll_images
    nll = score(model, splits, n_samples, n_images, trial.seed, ("val", "test"))
    finals = {"test/return": test.episodic_return, "val/nll": nll["val"], "test/nll": nll["test"]}
    _log(client, run_id, 0, metrics=finals)
    client.set_terminated(run_id)
    return training.best_return


@functools.cache
def _client(tracking_uri: str) -> tuple[Any, str]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri)
    (experiment,) = client.search_experiments(filter_string="name = 'peer'")
    return client, experiment.experiment_id


def create_experiment(tracking_uri: str) -> None:
    """Once, before any trial."""
    from mlflow import MlflowClient

    MlflowClient(tracking_uri).create_experiment("peer")


def _log(
    client: Any,
    run_id: str,
    step: int,
    metrics: dict[str, float] | None = None,
    params: dict[str, Any] | None = None,
) -> None:
    from mlflow.entities import Metric, Param

    client.log_batch(
        run_id,
        metrics=[Metric(key, value, 0, step) for key, value in (metrics or {}).items()],
        params=[Param(key, str(value)) for key, value in (params or {}).items()],
    )
