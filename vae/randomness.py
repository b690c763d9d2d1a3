"""Where every random number of a trial comes from.

A generator is made from the trial's seed, a purpose and an epoch, and from nothing else. There
is no generator whose state runs through a training, so an epoch draws the same numbers whether
the training was interrupted before it or not, and a checkpoint need not hold any.
"""

from __future__ import annotations

import hashlib

import torch


def derived_seed(seed: int, purpose: str, epoch: int = 0) -> int:
    """A 63-bit seed that has nothing in common with that of another seed, purpose or epoch."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def generator(
    seed: int, purpose: str, epoch: int = 0, device: str | torch.device = "cpu"
) -> torch.Generator:
    return torch.Generator(device).manual_seed(derived_seed(seed, purpose, epoch))
