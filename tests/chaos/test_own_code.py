"""Code of one's own under SIGKILL: the numbers of a sweep that nobody disturbed."""

from __future__ import annotations

import os

import pytest

from tests.chaos.chaos import SWEEP, Siege, more_seeds
from tests.conftest import Workspace
from tests.tracked import numbers, runs

pytestmark = pytest.mark.slow

OWN = SWEEP.replace("mlp3", "'nets.py:Wide'").replace("loss: [sse, bce]", "loss: ['nets.py:Hard']")
NETS = """
import math

import torch
from torch import nn

from vae.encoders import Encoder
from vae.losses import BinaryCrossEntropy


class Wide(Encoder):
    def __init__(self, shape, hidden_dim, latent_dim, *, width: int = 20):
        body = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), width), nn.Dropout(0.1))
        super().__init__(body, width, latent_dim)


class Hard(BinaryCrossEntropy):
    def reconstruction(self, logits, x):
        return super().reconstruction(logits, (x > 0.5).float())
"""


def test_twenty_kills(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> None:
    workspace.write(OWN, "chaos.yaml")
    workspace.write(NETS, "nets.py")
    seed = int(os.environ.get("CHAOS_SEED", "20261122"))
    Siege(workspace, ["--workers", "2", "--retries", "1000"], 20, seed, more_seeds).run()
    undisturbed = Workspace(tmp_path_factory.mktemp("undisturbed"))
    undisturbed.write((workspace.folder / "chaos.yaml").read_text(), "chaos.yaml")
    undisturbed.write(NETS, "nets.py")
    assert undisturbed.run("sweep.py", "chaos.yaml", "--engine", "serial").returncode == 0
    database = workspace.folder / "mlflow.db"
    assert numbers(database) == numbers(undisturbed.folder / "mlflow.db")
    assert all(run.tags["code_digest"] for run in runs(database, "trial"))
