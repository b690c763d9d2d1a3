"""MLflow's client, made patient: a store that is away for a minute costs time, not data."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import requests
import tenacity

from experiments.secrets import mask
from experiments.tracking.errors import TrackingLost, TrackingRefused
from experiments.tracking.uris import client_address, is_server

# Retrying is done here, with a limit in seconds; MLflow's own would add minutes to every call.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# Two lines on stdout for every run that ends; and an address may carry a password.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from experiments.tracking.mlflow_errors import is_away, root_cause

# It logs the traceback of what is then retried here, or told in one line.
logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
logging.getLogger("alembic").setLevel(logging.WARNING)

patience_seconds = float(os.environ.get("SWEEP_PATIENCE_SECONDS", 300))
"""How long a tracking store may stay away before a sweep gives up (and can be resumed)."""

P = ParamSpec("P")
T = TypeVar("T")


def connect(uri: str) -> MlflowClient:
    """MLflow's client for an address.

    Raises:
        TrackingRefused: when the store cannot be opened.
    """
    try:
        return _SynchronousClient(tracking_uri=client_address(uri))
    except Exception as error:  # whatever the driver, SQLAlchemy, Alembic or MLflow raise
        raise TrackingRefused(f"{mask(uri)}: {root_cause(error)}") from error


def import_store(uri: str) -> None:
    """What `connect` needs, which takes a second; opens nothing."""
    if uri and not is_server(uri):
        import mlflow.store.tracking.sqlalchemy_store  # noqa: F401


class _SynchronousClient(MlflowClient):
    """What has been logged has arrived, whatever the environment says: what is queued is lost in a
    crash, and nobody hears of it.
    """

    def log_batch(self, run_id, metrics=(), params=(), tags=(), synchronous=None):  # type: ignore[no-untyped-def]
        super().log_batch(run_id, metrics, params, tags, synchronous=True)

    def set_tag(self, run_id, key, value, synchronous=None):  # type: ignore[no-untyped-def]
        super().set_tag(run_id, key, value, synchronous=True)

    def log_image(self, run_id, image, *args, **kwargs):  # type: ignore[no-untyped-def]
        super().log_image(run_id, image, *args, **kwargs | {"synchronous": True})


NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_PERMANENT = ("No space left", "disk is full", "disk quota", "readonly database", "no such table")


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, MlflowException):
        return is_away(error) and not any(words in str(error) for words in _PERMANENT)
    if isinstance(error, requests.RequestException):  # of an artifact on its way
        response = error.response
        return response is None or response.status_code >= 500
    return isinstance(error, ConnectionError | TimeoutError)


@contextmanager
def limit_retries(seconds: float) -> Iterator[None]:
    """Inside, wait for the store no longer than that at a call."""
    global patience_seconds
    before, patience_seconds = patience_seconds, seconds
    try:
        yield
    finally:
        patience_seconds = before


def patiently(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call; while the store is away, wait for it up to `patience_seconds`.

    Only for calls that may be repeated after an answer was lost.

    Raises:
        TrackingLost: when it stays away, or says that it cannot go on.
        TrackingRefused: when it answers that it will not do this.
    """
    try:
        return retrying(_is_transient)(call, *args, **kwargs)
    except (MlflowException, OSError) as error:
        lost = _is_transient(error) or any(words in str(error) for words in _PERMANENT)
        if lost or getattr(error, "errno", None) in NO_ROOM:
            raise TrackingLost(mask(str(error).splitlines()[0])) from error
        raise TrackingRefused(mask(str(error).splitlines()[0])) from error


def retrying(is_transient: Callable[[BaseException], bool]) -> tenacity.Retrying:
    """Calls again what raises a transient error, for up to `patience_seconds`."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(is_transient),
        wait=tenacity.wait_random_exponential(multiplier=0.2, max=5),
        stop=tenacity.stop_after_delay(patience_seconds),
        reraise=True,
    )
