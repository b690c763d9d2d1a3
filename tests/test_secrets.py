"""Passwords in addresses, wherever they might be shown."""

from __future__ import annotations

import sys

import pytest

import analyze
import sweep
from experiments.cli import typed_command
from experiments.secrets import mask, without_credentials

SECRET = "geheim"  # noqa: S105 - what is looked for
ADDRESS = f"postgresql://me:{SECRET}@host:5432/db"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (ADDRESS, "postgresql://me:***@host:5432/db"),
        ("mysql+pymysql://:geheim@host/db", "mysql+pymysql://:***@host/db"),
        ("http://me:ge:heim@host:5000", "http://me:***@host:5000"),
        ("postgresql://me:geheim@heim@host/db", "postgresql://me:***@host/db"),
        ("mysql://host/db?password=geheim&x=1", "mysql://host/db?password=***&x=1"),
        (f"-x '{ADDRESS}' ftp://u:p@h", "-x 'postgresql://me:***@host:5432/db' ftp://u:***@h"),
        ("sqlite:///a/b.db me@host http://host:5000/x",) * 2,
        ("postgresql://me@host/db", "postgresql://me@host/db"),
    ],
)  # fmt: skip
def test_only_passwords_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


def test_links_carry_no_credentials() -> None:
    assert without_credentials("https://me:geheim@host:5000/x") == "https://host:5000/x"


def test_the_command_that_is_tagged_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["sweep.py", "x", "--optuna-storage", ADDRESS])
    assert typed_command() == (
        "python sweep.py x --optuna-storage postgresql://me:***@host:5432/db"
    )


@pytest.mark.parametrize("script", [sweep, analyze])
def test_help_and_complaints_of_the_command_line_are_masked(
    script: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"postgresql://me:{SECRET}%2F@host/db")
    for arguments, code in ((["--help"], 0), (["x", "--tracking-url", ADDRESS], 2)):
        monkeypatch.setattr(sys, "argv", ["script", *arguments])
        with pytest.raises(SystemExit) as exit_info:
            script.main()  # type: ignore[attr-defined]
        assert exit_info.value.code == code
        said = capsys.readouterr()
        assert "***" in said.out + said.err
        assert SECRET not in said.out + said.err
