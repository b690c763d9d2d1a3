"""Shared by all tests: no telemetry, one thread, and small experiments in a folder of their own."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE, STDOUT, CompletedProcess, Popen
from typing import IO

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.pop("MLFLOW_TRACKING_URI", None)


import hypothesis
import pytest

# The same examples in every run, and no time limit: the machine may be busy.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.load_profile("repeatable")


REPOSITORY = Path(__file__).parent.parent


def environment() -> dict[str, str]:
    """Of a command as a person runs it: MLflow behaves differently where it sees pytest."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PYTEST")}


TINY = """
name: tiny
dataset: mnist5k
grid:
  encoder: [mlp1, mlp3]
  loss: [sse, bce]
seeds: 2
fixed: {epochs: 2, hidden_dim: 16, latent_dim: 2, batch_size: 500}
pictures: {every: 2, samples: 4}
"""


@dataclass
class Workspace:
    """A folder with an experiment file, in which the commands are run as a person runs them."""

    folder: Path

    @property
    def tracking_uri(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    def write(self, text: str, name: str = "tiny.yaml") -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def start(self, script: str, *arguments: str, log: IO[str] | None = None) -> Popen[str]:
        """Args: log: where stdout and stderr go; by default each to a pipe of its own"""
        return Popen(
            [sys.executable, str(REPOSITORY / script), *arguments],
            cwd=self.folder,
            text=True,
            env=environment(),
            stdout=log or PIPE,
            stderr=STDOUT if log else PIPE,
        )

    def run(self, script: str, *arguments: str) -> CompletedProcess[str]:
        """In this process, which has imported torch and MLflow already."""
        argv = [str(REPOSITORY / script), *arguments]
        stdout, stderr = io.StringIO(), io.StringIO()
        command = importlib.import_module(f"experiments.commands.{Path(script).stem}")
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
        ):
            patch.chdir(self.folder)
            patch.setattr(sys, "argv", argv)
            for key in set(os.environ) - set(environment()):
                patch.delenv(key)
            with pytest.raises(SystemExit) as ended:
                command.main()
        print(stderr.getvalue())
        code = ended.value.code
        assert isinstance(code, int)
        return CompletedProcess(argv, code, stdout.getvalue(), stderr.getvalue())

    def run_process(self, script: str, *arguments: str) -> CompletedProcess[str]:
        """In a process of its own, where that is the point."""
        process = self.start(script, *arguments)
        stdout, stderr = process.communicate(timeout=300)
        print(stderr)
        return CompletedProcess(process.args, process.returncode, stdout, stderr)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    result = Workspace(tmp_path)
    result.write(TINY)
    return result


@pytest.fixture(autouse=True, scope="session")
def _state_in_a_folder_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Locks of sweeps on servers are not to be left in the home of who runs the tests."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(autouse=True)
def _as_torch_comes() -> Iterator[None]:
    """With one thread, so that tests side by side do not slow each other down; and with denormal
    numbers after a test that worked as a worker does: Hypothesis draws them.
    """
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)
    yield
    if "torch" in sys.modules:
        import torch

        torch.set_flush_denormal(False)
