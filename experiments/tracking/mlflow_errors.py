"""What MLflow's errors mean; the only place that reads their texts."""

from __future__ import annotations

import re
from collections.abc import Iterator

import requests
from mlflow.exceptions import InvalidUrlException, MlflowException, RestException

from experiments.secrets import mask

_STATUS = re.compile(r"failed with error code (\d{3})\b")
_TRANSIENT_CODES = {
    "TEMPORARILY_UNAVAILABLE", "DEADLINE_EXCEEDED", "REQUEST_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED",
}  # fmt: skip
_REFUSALS = (400, 401, 402, 403, 404, 405, 406, 407)


def is_away(error: MlflowException) -> bool:
    """Whether it says that the store did not answer, for now: its other errors are refusals."""
    if error.error_code in _TRANSIENT_CODES:
        return True
    if isinstance(error, RestException | InvalidUrlException):  # it did answer, or never will
        return False
    status = status_of(error)
    return status not in _REFUSALS if status else _never_arrived(error)


def status_of(error: BaseException) -> int | None:
    """The HTTP status of an answer; None if there was none, or it is not known."""
    if isinstance(error, RestException):
        return error.get_http_status_code()
    found = _STATUS.search(str(error))
    return int(found[1]) if found else None


def _never_arrived(error: BaseException) -> bool:
    if str(error).startswith("API request to "):
        return True
    return any(isinstance(e, requests.RequestException) for e in _causes(error))


def root_cause(error: BaseException) -> str:
    """What was the matter at the bottom of it, in one line."""
    *_, last = _causes(error)
    return mask(next(iter(str(last).splitlines()), "") or type(last).__name__)


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
