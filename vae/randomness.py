"""Where every random number of a trial comes from.

A generator is made from the trial's seed, a purpose and an epoch, and from nothing else. There
is no generator whose state runs through a training, so an epoch draws the same numbers whether
the training was interrupted before it or not, and a checkpoint need not hold any.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derived_seed(seed: int, purpose: str, epoch: int = 0) -> int:
    """A 63-bit seed that has nothing in common with that of another seed, purpose or epoch."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(
    seed: int, purpose: str, epoch: int = 0, device: str | torch.device = "cpu"
) -> torch.Generator:
    return torch.Generator(device).manual_seed(derived_seed(seed, purpose, epoch))


@contextmanager
def global_generator(
    seed: int, purpose: str, epoch: int = 0, device: str | torch.device = "cpu"
) -> Iterator[None]:
    """Inside, torch's own generators draw as one of these; outside, as if nobody had drawn.

    For what takes no generator, such as a dropout layer of the user's own.
    """
    device = torch.device(device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(derived_seed(seed, purpose, epoch))
        yield
