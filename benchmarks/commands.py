"""Commands run and timed as a person runs and times them: a process, from start to end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent


def _environment() -> dict[str, str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    return environment


def seconds(cwd: Path, *arguments: str) -> float:
    """How long `python ARGUMENTS` takes in folder `cwd`.

    Raises:
        RuntimeError: with the end of what it said, if it fails.
    """
    started = time.perf_counter()
    done = subprocess.run(  # noqa: S603 - no shell, and nothing a user gave
        [sys.executable, *arguments],
        cwd=cwd,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    taken = time.perf_counter() - started
    if done.returncode:
        raise RuntimeError(f"python {' '.join(arguments)} failed:\n{done.stdout[-3000:]}")
    return taken


def processor_seconds(command: Callable[[], float]) -> float:
    """What the processes that `command` starts and waits for compute, however long they wait."""
    before = os.times()
    command()
    after = os.times()
    user = after.children_user - before.children_user
    return user + after.children_system - before.children_system


def seconds_until(said: str, cwd: Path, script: str, *arguments: str) -> float:
    """How long it takes until a script of the project has said that; it goes on to its end.

    Raises:
        RuntimeError: with what it said, if it does not say that.
    """
    started = time.perf_counter()
    taken, lines = None, []
    with subprocess.Popen(  # noqa: S603 - no shell, and nothing a user gave
        [sys.executable, str(REPOSITORY / script), *arguments],
        cwd=cwd,
        env=_environment(),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stderr or ():
            lines.append(line)
            if taken is None and said in line:
                taken = time.perf_counter() - started
    if taken is None:
        raise RuntimeError(f"{script} did not say {said!r}:\n{''.join(lines)[-3000:]}")
    return taken


def sweep(cwd: Path, *arguments: str) -> float:
    return seconds(cwd, str(REPOSITORY / "sweep.py"), *arguments)


def analyze(cwd: Path, *arguments: str) -> float:
    return seconds(cwd, str(REPOSITORY / "analyze.py"), *arguments)
