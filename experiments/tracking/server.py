"""An MLflow server, asked as it always is: with MLflow's credentials and TLS settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from experiments.secrets import mask, without_credentials
from experiments.tracking.mlflow_errors import root_cause, status_of
from vae.errors import BadInput

_ANSWER_SECONDS = 7


def check_server(uri: str) -> None:
    """Raise BadInput within 10 seconds if no MLflow server answers, or it refuses this user."""
    try:
        with _impatient():
            MlflowClient(uri).search_experiments(max_results=1)
    except (MlflowException, ValueError) as error:
        raise BadInput(f"--tracking-uri {mask(uri)}: {_why(uri, error)}") from error


@contextmanager
def _impatient() -> Iterator[None]:
    """No second try, and not long to wait: a person sits in front of it."""
    settings = {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": str(_ANSWER_SECONDS),
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _why(uri: str, error: Exception) -> str:
    status = status_of(error)
    if status == 401:
        known = (
            "refuses the name and password that it was given"
            if _has_credentials(uri)
            else ("wants a name and a password")
        )
        return (
            f"the server {known}; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
            f"MLFLOW_TRACKING_TOKEN"
        )
    if status == 403:
        place = urlsplit(without_credentials(uri)).netloc
        return (
            f"the server takes no calls under this name, or from this user; an MLflow server is "
            f"told its names with --allowed-hosts {place}"
        )
    if status is not None:
        return f"what answers is not an MLflow server, or one in trouble (HTTP status {status})"
    reason = root_cause(error)
    if "CERTIFICATE_VERIFY_FAILED" in reason:
        return (
            f"its certificate is not trusted here ({reason}); name the file of whoever signed it "
            f"in MLFLOW_TRACKING_SERVER_CERT_PATH"
        )
    return f"no MLflow server answers ({reason})"


def _has_credentials(uri: str) -> bool:
    given = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_TOKEN")
    return without_credentials(uri) != uri or any(os.environ.get(name) for name in given)
