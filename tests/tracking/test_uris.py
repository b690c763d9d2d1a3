"""Servers that do not answer: one line, in time, before anything is written."""

from __future__ import annotations

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from experiments.tracking.uris import check_reachable, check_storage
from vae.errors import BadInput


def complaint(uri: str) -> str:
    started = time.monotonic()
    with pytest.raises(BadInput) as error_info:
        check_reachable(uri)
    assert time.monotonic() - started < 10  # the contract's own limit
    line = str(error_info.value)
    assert "\n" not in line
    assert "geheim" not in line
    return line


def test_a_database_that_is_not_there() -> None:
    pytest.importorskip("psycopg2")
    line = complaint("postgresql+psycopg2://me:geheim@127.0.0.1:1/db")
    assert line.startswith(
        "--tracking-uri postgresql+psycopg2://me:***@127.0.0.1:1/db: no database"
    )
    assert "refused" in line


def test_a_database_that_accepts_and_says_nothing() -> None:
    pytest.importorskip("psycopg2")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert "no database" in complaint(f"postgresql+psycopg2://me:geheim@127.0.0.1:{port}/db")


def test_a_driver_that_is_missing() -> None:
    line = complaint("mysql+nosuchdriver://me:geheim@127.0.0.1/db")
    assert "nosuchdriver" in line
    line = complaint("postgresql+pg8000://me:geheim@127.0.0.1/db")
    assert "needs the package pg8000" in line


def test_a_server_behind_an_address_with_a_password() -> None:
    assert "me:***@127.0.0.1:1" in complaint("http://me:geheim@127.0.0.1:1")


def test_optuna_s_storage_is_named_by_its_option() -> None:
    check_storage("sqlite:///anything.db")
    with pytest.raises(BadInput, match="--optuna-storage mysql"):
        check_storage("mysql+nosuchdriver://me:geheim@127.0.0.1/db")


def test_a_server_that_refuses_the_name_it_is_called_by() -> None:
    """MLflow's server does, unless it is told its names; its health it tells everybody."""

    class Forbidding(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 403)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Forbidding) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"127.0.0.1:{server.server_port}"
        assert f"--allowed-hosts {place}" in complaint(f"http://me:geheim@{place}")
        server.shutdown()
