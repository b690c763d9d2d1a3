"""A sweep under fire: SIGKILL at random moments on workers and on the parent, until it is done."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import Workspace

SWEEP = """
name: chaos
dataset: mnist5k
grid:
  encoder: [mlp1, mlp3]
  loss: [sse, bce]
  transform: [none, binarize]
seeds: 3
fixed: {epochs: 4, hidden_dim: 16, latent_dim: 2, batch_size: 100}
pictures: {every: 2, samples: 4}
"""
N_TRIALS, N_EPOCHS = 24, 4

TIRED_AFTER = 400
"""Restarts after which something is wrong with the sweep, not with its luck."""


def more_seeds(text: str) -> str:
    """Three more."""
    return re.sub(r"seeds: (\d+)", lambda found: f"seeds: {int(found[1]) + 3}", text)


def workers_of(pid: int) -> list[int]:
    """The worker processes of a sweep, which may be gone a moment later."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [int(child) for child in children if b"spawn_main" in _command(int(child))]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


@dataclass
class Siege:
    """Runs `chaos.yaml` again and again, killing as it goes, until it ends by itself.

    Attributes:
        done: the exit codes of a sweep that ended by itself
        more: makes of a sweep that was done too early one that goes on
        n_kills: how many SIGKILLs to land before the sweep is left in peace
        seed: of the kill moments and victims; printed, so that a failure can be repeated
    """

    workspace: Workspace
    arguments: list[str]
    n_kills: int
    seed: int
    more: Callable[[str], str]
    done: tuple[int, ...] = (0,)
    killed: dict[str, int] = field(default_factory=lambda: {"worker": 0, "parent": 0})
    n_starts: int = 0

    def run(self) -> str:
        """Returns what the last, successful sweep said."""
        print(f"chaos seed {self.seed}")
        self._random = random.Random(self.seed)
        while self.n_starts < TIRED_AFTER:
            code, said = self._one_sweep()
            print(f"start {self.n_starts}: exit {code}, kills so far {self.killed}")
            if code in self.done and self._left == 0:
                return said
            if code not in (*self.done, -signal.SIGKILL):
                raise AssertionError(f"exit {code} (chaos seed {self.seed}):\n{said}")
            if code in self.done:
                self._file.write_text(self.more(self._file.read_text()))
        raise AssertionError(f"not done after {TIRED_AFTER} starts (chaos seed {self.seed})")

    @property
    def _left(self) -> int:
        return self.n_kills - sum(self.killed.values())

    @property
    def _file(self) -> Path:
        return self.workspace.folder / "chaos.yaml"

    @property
    def _log(self) -> Path:
        return self.workspace.folder / "log.txt"

    def _one_sweep(self) -> tuple[int, str]:
        self.n_starts += 1
        with self._log.open("w") as output:
            sweep = self.workspace.start("sweep.py", "chaos.yaml", *self.arguments, log=output)
            while sweep.poll() is None:
                if not self._left:
                    sweep.wait(timeout=600)
                    break
                self._wait_for_a_moment(sweep)
                self._strike(sweep)
        return sweep.returncode, self._log.read_text()

    def _wait_for_a_moment(self, sweep: subprocess.Popen[str]) -> None:
        """Mostly a little after a sign of life, in the middle of anything; or at the start."""
        while sweep.poll() is None and not workers_of(sweep.pid):
            time.sleep(0.01)
        if self._random.random() < 0.85:
            size = self._log.stat().st_size
            while sweep.poll() is None and self._log.stat().st_size == size:
                time.sleep(0.01)
            delay = self._random.uniform(0, 0.4)
        else:
            delay = self._random.uniform(0, 5)
        deadline = time.monotonic() + delay
        while sweep.poll() is None and time.monotonic() < deadline:
            time.sleep(0.005)

    def _strike(self, sweep: subprocess.Popen[str]) -> None:
        workers = workers_of(sweep.pid)
        if self._random.random() < 0.3:
            if kill(sweep.pid):
                self.killed["parent"] += 1
                sweep.wait(timeout=30)
        elif workers and kill(self._random.choice(workers)):
            self.killed["worker"] += 1
