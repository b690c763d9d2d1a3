"""A command that must refuse: one line, exit 2, nothing written."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest


def contents(folder: Path) -> set[tuple[str, int]]:
    return {(str(p.relative_to(folder)), p.stat().st_size) for p in folder.rglob("*")}


def complaint(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    script: object,
    *arguments: str,
) -> str:
    """Run a command that must refuse; returns its one line."""
    before = contents(folder)
    name = script.__name__ + ".py"  # type: ignore[attr-defined]
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    with pytest.raises(SystemExit) as exit_info:
        script.main()  # type: ignore[attr-defined]
    captured = capsys.readouterr()
    assert exit_info.value.code == 2, captured.err
    assert captured.out == ""
    assert captured.err.count("\n") == 1, captured.err
    assert captured.err.startswith(f"{name}: error: ")
    assert contents(folder) == before
    return captured.err
