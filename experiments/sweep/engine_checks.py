"""Workers for a sweep: how many, and what they can share, before anything is written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from experiments.execution.resources import cpu_cores
from experiments.secrets import mask
from experiments.spec.experiment import Experiment
from experiments.tracking.uris import optuna_storage
from vae.errors import BadInput

if TYPE_CHECKING:
    from experiments.sweep.options import Options

_SERVER = "mlflow server --backend-store-uri postgresql://… --artifacts-destination DIR"


@contextmanager
def open_engine(options: Options, experiment: Experiment) -> Iterator[int]:
    """Join the cluster, if one is asked for; yields how many trials are to be under way at once.

    Raises:
        BadInput: when there is no cluster, or its nodes could not share what is to be written.
    """
    if options.engine != "ray":
        yield options.workers or cpu_cores()
        return
    from experiments.execution.ray_cluster import (
        joined,
    )  # and ray itself: only where it is asked for

    with joined(options.ray_address, options.share) as cluster:
        if cluster.n_nodes > 1:
            _check_shared(f"--engine ray on {cluster.n_nodes} nodes", options, experiment)
        yield options.workers or cluster.capacity


def _check_shared(place: str, options: Options, experiment: Experiment) -> None:
    uri = options.tracking_uri
    if not uri.startswith("http"):
        what = "the file" if uri.startswith("sqlite:") else "the artifact folder that goes with"
        raise BadInput(
            f"{place}: they cannot share {what} {mask(uri)}; start `{_SERVER}` and give its "
            f"address as --tracking-uri"
        )
    storage = options.optuna_storage or optuna_storage(uri)
    if experiment.study and storage.startswith("sqlite:"):
        raise BadInput(
            f"{place}: a study needs a storage that outlives this machine; start PostgreSQL and "
            f"give --optuna-storage postgresql://…"
        )
    from experiments.tracking.reader import artifact_location  # MLflow takes its time to import

    location = artifact_location(uri, experiment.name)
    if location.startswith(("/", "file:", ".")):
        raise BadInput(
            f"{place}: they cannot share the artifact folder {location}; start the server with "
            f"--artifacts-destination, and give the experiment another name if it exists"
        )
