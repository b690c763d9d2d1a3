"""Servers that do not answer: one line, in time, before anything is written."""

from __future__ import annotations

import contextlib
import socket
import sqlite3
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from experiments.tracking.reachable import check_reachable, check_storage
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


def test_a_port_that_is_none() -> None:
    assert "no database" in complaint("postgresql+psycopg2://me:geheim@127.0.0.1:abc/db")
    assert "no MLflow server" in complaint("http://me:geheim@127.0.0.1:abc")


def test_a_server_behind_an_address_with_a_password() -> None:
    assert "me:***@127.0.0.1:1" in complaint("http://me:geheim@127.0.0.1:1")


def test_optuna_s_storage_is_named_by_its_option() -> None:
    check_storage("sqlite:///anything.db")
    with pytest.raises(BadInput, match="--optuna-storage mysql"):
        check_storage("mysql+nosuchdriver://me:geheim@127.0.0.1/db")


def test_a_server_that_refuses_the_name_it_is_called_by() -> None:
    """MLflow's server does, unless it is told its names."""

    class Forbidding(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(403)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Forbidding) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"127.0.0.1:{server.server_port}"
        assert f"--allowed-hosts {place}" in complaint(f"http://me:geheim@{place}")
        server.shutdown()


def test_what_answers_and_is_no_mlflow_server() -> None:
    class Web(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(404)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Web) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        line = complaint(f"http://127.0.0.1:{server.server_port}")
        assert "not an MLflow server" in line
        assert "404" in line
        server.shutdown()


# ------------------------------------------------------- databases of another kind or time


def database(path: Path, *statements: str) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
    return f"sqlite:///{path}"


MLFLOW_S = (
    "CREATE TABLE experiments (name)",
    "CREATE TABLE runs (run_uuid)",
    "CREATE TABLE alembic_version (version_num)",
    "INSERT INTO runs VALUES ('a run')",
)


def test_a_database_of_an_older_mlflow(tmp_path: Path) -> None:
    """mlflow#6703: MLflow itself would migrate it, even for somebody who only looks."""
    old = "INSERT INTO alembic_version VALUES ('451aebb31d03')"
    line = complaint(database(tmp_path / "mlflow.db", *MLFLOW_S, old))
    assert "older MLflow" in line
    assert f"mlflow db upgrade sqlite:///{tmp_path}/mlflow.db" in line


def test_a_database_of_a_newer_mlflow(tmp_path: Path) -> None:
    """mlflow#6703"""
    new = "INSERT INTO alembic_version VALUES ('ffffffffffff')"
    line = complaint(database(tmp_path / "mlflow.db", *MLFLOW_S, new))
    assert "newer MLflow" in line
    assert "pip install --upgrade mlflow" in line


def test_a_database_whose_making_was_cut_short_is_finished_by_mlflow(tmp_path: Path) -> None:
    check_reachable(database(tmp_path / "half.db", *MLFLOW_S[:-1]))
    check_reachable(database(tmp_path / "less.db", *MLFLOW_S[:1]))


def test_a_database_of_another_program(tmp_path: Path) -> None:
    address = database(tmp_path / "photos.db", "CREATE TABLE photos (name)")
    assert "another program" in complaint(address)


def test_optuna_is_not_given_mlflow_s_database(tmp_path: Path) -> None:
    """Both keep the version of their tables in one called `alembic_version`."""
    address = database(tmp_path / "mlflow.db", *MLFLOW_S)
    with pytest.raises(BadInput, match="a database of its own"):
        check_storage(address)


@pytest.mark.parametrize("damage", [100, 4096])
def test_a_damaged_database(tmp_path: Path, damage: int) -> None:
    """mlflow#6703"""
    old = "INSERT INTO alembic_version VALUES ('451aebb31d03')"
    address = database(tmp_path / "mlflow.db", *MLFLOW_S, old)
    with (tmp_path / "mlflow.db").open("r+b") as file:
        file.seek(damage)
        file.write(b"\xff" * 4 * 4096)
    line = complaint(address)
    assert "is damaged" in line
    assert ".recover" in line
