"""Shared by all tests: no telemetry, one thread, and small experiments in a folder of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ.pop("MLFLOW_TRACKING_URI", None)

import pytest

REPOSITORY = Path(__file__).parent.parent

TINY = """
name: tiny
dataset: mnist5k
grid:
  encoder: [mlp1, mlp3]
  loss: [sse, bce]
seeds: 2
fixed: {epochs: 2, hidden_dim: 16, latent_dim: 2, batch_size: 500, image_every: 2, images: 4}
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

    def start(self, script: str, *arguments: str, **options: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, str(REPOSITORY / script), *arguments],
            cwd=self.folder,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,  # type: ignore[call-overload]
        )

    def run(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self.start(script, *arguments)
        stdout, stderr = process.communicate(timeout=300)
        print(stderr)
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    result = Workspace(tmp_path)
    result.write(TINY)
    return result


@pytest.fixture(autouse=True)
def _one_thread(request: pytest.FixtureRequest) -> None:
    """As in a worker; and tests that run side by side do not slow each other down."""
    if "torch" in sys.modules:
        import torch

        torch.set_num_threads(1)
