"""Addresses: parsed, quoted, never pasted together."""

from __future__ import annotations

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url

from experiments.tracking.uris import (
    client_address,
    optuna_storage,
    sqlite_address,
    sqlite_path,
    tracking_address,
)
from vae.errors import BadInput

paths = st.text(string.ascii_letters + " %?#{}&=+:@'äé€", min_size=1).map(
    lambda name: Path("/nowhere") / f"x{name}" / "mlflow.db"
)


@given(path=paths)
def test_a_path_comes_back_from_its_address_whatever_is_in_it(path: Path) -> None:
    """mlflow#6490: also as SQLAlchemy reads it, and as MLflow and Optuna hand it on."""
    address = sqlite_address(path)
    assert sqlite_path(address) == path
    assert make_url(address).database == str(path)
    for given_to_them in (client_address(address), optuna_storage(address)):
        assert make_url(given_to_them.format()).database in (
            str(path), str(path.with_name("optuna.db")),
        )  # fmt: skip


def test_options_of_an_address_are_no_part_of_the_file() -> None:
    """mlflow#6490"""
    assert sqlite_path("sqlite:///mlflow.db?timeout=30") == Path("mlflow.db").absolute()
    assert sqlite_path("sqlite+pysqlite:////a/b%20c.db") == Path("/a/b c.db")
    url = make_url(client_address("sqlite:///mlflow.db?timeout=30"))
    assert (url.database, dict(url.query)) == (str(Path("mlflow.db").absolute()), {"timeout": "30"})
    assert make_url(client_address("sqlite:///mlflow.db")).query["timeout"] == "60"


@pytest.mark.parametrize(
    "uri", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///file:x.db?uri=true",
            "sqlite://x.db"],
)  # fmt: skip
def test_an_address_that_names_no_file(uri: str) -> None:
    with pytest.raises(BadInput, match="sqlite:///FILE"):
        sqlite_path(uri)


@pytest.mark.parametrize(
    ("typed", "used"),
    [
        ("http://host:5000/#/experiments/1", "http://host:5000"),
        ("http://host:5000/#/experiments/1/runs/abc/model-metrics?o=x", "http://host:5000"),
        ("https://me:secret@host/mlflow/?workspace=a#/models", "https://me:secret@host/mlflow"),
        ("http://host:5000/", "http://host:5000"),
        ("sqlite:///a#b.db", "sqlite:///a#b.db"),
        ("postgresql://me@host/db?sslmode=require", "postgresql://me@host/db?sslmode=require"),
        ("http://[", "http://["),
    ],
)
def test_an_address_from_the_browser(typed: str, used: str) -> None:
    """mlflow#3301"""
    assert tracking_address(typed) == used
