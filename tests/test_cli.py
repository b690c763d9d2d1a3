"""Commands that are printed name what was typed, and work when they are typed again."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import cli
from experiments.cli import command, duration, typed_command
from tests.conftest import REPOSITORY, Workspace, environment


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with the three commands, as pip makes them."""
    for name in ("sweep", "analyze", "evaluate"):
        script = tmp_path / f"vae-{name}"
        script.write_text("#!/bin/sh\n")
        script.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "again", "other"),
    [
        ("sweep.py", "python sweep.py x", "python analyze.py x"),
        ("../repo/sweep.py", "python ../repo/sweep.py x", "python ../repo/analyze.py x"),
        ("my folder/sweep.py", "python 'my folder/sweep.py' x", "python 'my folder/analyze.py' x"),
    ],
)
def test_in_a_checkout(typed: str, again: str, other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [typed, "x"])
    assert typed_command() == again
    assert command("analyze", "x") == other


def test_installed_on_the_path(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [str(installed / "vae-sweep"), "x", "--set", "lr=1, 2"])
    monkeypatch.setenv("PATH", str(installed))
    assert typed_command() == "vae-sweep x --set 'lr=1, 2'"
    assert command("analyze", "x") == "vae-analyze x"


def test_installed_elsewhere(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by the path of a virtual environment that is not active: its name alone is not found."""
    monkeypatch.setattr(sys, "argv", [str(installed / "vae-sweep"), "x"])
    monkeypatch.setenv("PATH", "/usr/bin")
    assert typed_command() == f"{installed / 'vae-sweep'} x"
    assert command("evaluate", "1") == f"{installed / 'vae-evaluate'} 1"


def test_in_a_notebook(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What it imports from says where the commands are."""
    monkeypatch.setattr(sys, "argv", ["/lib/ipykernel_launcher.py", "-f", "kernel.json"])
    assert command("sweep", "x") == f"python {cli._CHECKOUT / 'sweep.py'} x"
    monkeypatch.setattr(cli, "_CHECKOUT", tmp_path)
    assert command("sweep", "x") == "vae-sweep x"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("90m", 5400), ("2h30m", 9000), ("1d", 86400), (" 1h1s ", 3601)],
)
def test_times_as_people_write_them(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "90", "2h30", "30m2h", "-1h", "1.5h", "h"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="2h30m"):
        duration(text)


@pytest.mark.processes
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_output_that_is_not_utf_8(encoding: str, workspace: Workspace) -> None:
    """github.com/Textualize/rich/issues/826: it ended in a traceback."""
    done = subprocess.run(
        [sys.executable, REPOSITORY / "sweep.py", "tiny.yaml", "--dry-run"],
        cwd=workspace.folder, capture_output=True, encoding=encoding,
        env=environment() | {"PYTHONIOENCODING": encoding},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    times = "x" if encoding == "ascii" else "×"
    assert f"4 configurations {times} 2 seeds = 8 trials" in done.stdout


def test_passwords_are_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["sweep.py"])
    assert "geheim" not in command("analyze", "x", "--tracking-uri", "http://me:geheim@host")
