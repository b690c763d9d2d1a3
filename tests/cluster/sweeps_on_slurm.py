"""Sweeps on a real Slurm, and what they should have tracked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen

from tests.conftest import Workspace
from tests.tracked import CLOCK, TrackedRun, numbers, runs

GRID = """
name: grid
dataset: mnist5k
grid:
  encoder: [mlp1, mlp3]
  loss: [sse, bce]
seeds: 4
fixed: {epochs: 4, hidden_dim: 32, latent_dim: 2, batch_size: 50, nll_samples: 5, nll_images: 50}
pictures: {every: 2, samples: 4}
"""
LONG = """
name: long
dataset: mnist5k
seeds: 2
fixed: {encoder: mlp1, epochs: 100, hidden_dim: 64, latent_dim: 2, batch_size: 50}
pictures: {every: 0}
"""
STUDY = """
name: study
dataset: mnist5k
study:
  trials: 8
  sampler: tpe
  space:
    lr: {low: 1e-4, high: 1e-2, log: true}
    encoder: [mlp1, mlp3]
  pruner: median
seeds: 2
fixed: {epochs: 8, hidden_dim: 32, latent_dim: 2, batch_size: 50, nll_samples: 5, nll_images: 50}
pictures: {every: 0}
"""
ON_SLURM = ["--engine", "slurm", "--workers", "2"]


class Sweep:
    """A sweep of x.yaml under way."""

    def __init__(self, workspace: Workspace, *arguments: str) -> None:
        self.log = workspace.folder / f"log-{time.monotonic_ns()}.txt"
        engine = () if "--engine" in arguments else ON_SLURM
        with self.log.open("w") as output:
            self.process: Popen[str] = workspace.start(
                "sweep.py", "x.yaml", *engine, *arguments, log=output
            )

    @property
    def said(self) -> str:
        return self.log.read_text()

    def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 180
        while not condition():
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.05)

    def end(self, seconds: float = 500) -> int:
        code = self.process.wait(timeout=seconds)
        print(self.said)
        return code


@contextmanager
def sweeping(workspace: Workspace, text: str, *arguments: str) -> Iterator[Sweep]:
    workspace.write(text, "x.yaml")
    sweep = Sweep(workspace, *arguments)
    try:
        yield sweep
    finally:
        if sweep.process.poll() is None:
            sweep.process.kill()
            sweep.process.wait()
            print(sweep.said)


def check_bits(workspace: Workspace, expected: Path) -> list[TrackedRun]:
    """One finished run for each trial, each step once, each number to the last bit."""
    trials = runs(workspace.folder / "mlflow.db", "trial")
    assert {run.status for run in trials} == {"FINISHED"}
    for run in trials:
        for key in CLOCK:
            steps = [step for step, _ in run.metrics[key]]
            assert steps == list(range(1, int(run.params["epochs"]) + 1))
    assert numbers(workspace.folder / "mlflow.db") == numbers(expected)
    return trials


def folders_left(workspace: Workspace) -> list[Path]:
    return [path for path in (workspace.folder / "checkpoints").rglob("*") if path.is_file()]
