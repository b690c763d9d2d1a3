"""How and where a sweep runs, and the command line that says it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, fields
from pathlib import Path

from experiments.execution.resources import Share
from experiments.spec.shard import Shard
from vae.errors import BadInput


@dataclass(frozen=True)
class Options:
    """How and where a sweep runs; none of it alters a number."""

    tracking_uri: str
    data_dir: Path
    checkpoint_dir: Path | None
    device: str
    engine: str
    workers: int | None
    retries: int
    timeout: float | None
    retry_failed: bool
    shard: Shard
    optuna_storage: str | None
    archive: str | None
    ray_address: str
    cpus_per_trial: int
    gpus_per_trial: float

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Options:
        return cls(**{field.name: getattr(arguments, field.name) for field in fields(cls)})

    @property
    def share(self) -> Share:
        return Share(self.cpus_per_trial, self.gpus_per_trial)


def check_device(wanted: str) -> None:
    """`auto` is for each worker to find out; importing torch here would delay every sweep."""
    if wanted == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise BadInput("--device cuda: torch finds no CUDA device; use --device cpu")


# ------------------------------------------------------------------- the command line
