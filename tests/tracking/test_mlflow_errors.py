"""What MLflow's errors mean, as a real client raises them: a new version may word them anew."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from experiments.tracking.mlflow_errors import is_away, root_cause, status_of


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Answers a search for experiments with the status that is in its `filter`."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, _, body = self.path.strip("/").split("/")[0].partition("-")
            content = b'{"error_code": "%s", "message": "no"}' % body.encode() if body else b"no"
            self.send_response(int(status))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answering) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def error_of(uri: str) -> MlflowException:
    with pytest.raises(MlflowException) as raised:
        MlflowClient(uri).search_experiments()
    return raised.value


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_a_server_in_trouble_is_away_for_now(server: str, status: int) -> None:
    assert is_away(error_of(f"{server}/{status}"))


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_a_refusal_is_none(server: str, status: int) -> None:
    error = error_of(f"{server}/{status}")
    assert not is_away(error)
    assert status_of(error) == status


@pytest.mark.parametrize(
    ("code", "away"),
    [
        ("503-TEMPORARILY_UNAVAILABLE", True),
        ("429-REQUEST_LIMIT_EXCEEDED", True),
        ("403-PERMISSION_DENIED", False),
        ("404-RESOURCE_DOES_NOT_EXIST", False),
        ("400-INVALID_PARAMETER_VALUE", False),
    ],
)
def test_a_server_that_says_why(server: str, code: str, away: bool) -> None:
    assert is_away(error_of(f"{server}/{code}")) == away


def test_nobody_listens() -> None:
    error = error_of("http://127.0.0.1:9")
    assert is_away(error)
    assert status_of(error) is None
    assert "refused" in root_cause(error)


def test_an_address_that_is_none_never_answers() -> None:
    assert not is_away(error_of("http://127.0.0.1:abc"))
