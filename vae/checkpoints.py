"""Checkpoints: the whole state of a training in one file, replaced atomically."""

from __future__ import annotations

import io
from pathlib import Path

import torch

from vae.configuration import NUMBERS_VERSION
from vae.training import Training

_FORMAT = 2


class UnusableCheckpoint(Exception):
    """A checkpoint that is torn, of another trial, or of another version of the numbers."""


def save(training: Training, path: Path) -> None:
    """Put `training` in the place of whatever `path` held; there is no moment without a whole file.

    Not flushed to the disk: the page cache outlives a killed process, and should the machine
    itself go down, `load` recognises a torn file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")  # a trial has one writer, who also clears up after a kill
    content = {
        "format": _FORMAT,
        "numbers_version": NUMBERS_VERSION,
        "trial_id": training.trial.id,
        "training": training.state_dict(),
    }
    # By way of memory: torch's own writer hides from its caller that the disk is full.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    try:
        temporary.write_bytes(buffer.getbuffer())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load(training: Training, path: Path) -> None:
    """Bring `training` to the state that `path` holds; executes nothing from the file.

    Raises:
        UnusableCheckpoint: `training` is then as it was, or must be made anew.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever the unpickler makes of arbitrary bytes
        raise UnusableCheckpoint(f"{path}: torn or not a checkpoint") from error
    expected = {
        "format": _FORMAT,
        "numbers_version": NUMBERS_VERSION,
        "trial_id": training.trial.id,
    }
    found = {key: content.get(key) for key in expected} if isinstance(content, dict) else None
    if found != expected:
        raise UnusableCheckpoint(f"{path}: of another trial or version")
    try:
        training.load_state_dict(content["training"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UnusableCheckpoint(f"{path}: does not fit its trial's networks") from error
