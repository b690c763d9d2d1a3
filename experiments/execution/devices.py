"""The devices of this machine that trials compute on."""

from __future__ import annotations

import argparse
import os
import re
from dataclasses import dataclass
from pathlib import Path

from vae.errors import BadInput

_SIGNS_OF_A_GPU = ("nvidia[0-9]*", "dxg", "kfd")
"""In /dev: NVIDIA's, that of Windows' Linux, AMD's."""


@dataclass(frozen=True)
class Device:
    """A device that a worker belongs to for its life.

    Attributes:
        label: what people call it: `cpu`, or `cuda:2` for the third GPU that this process sees
        visible: what CUDA_VISIBLE_DEVICES is to be, so that a process sees this GPU alone
    """

    label: str
    visible: str = ""

    @property
    def is_gpu(self) -> bool:
        return bool(self.visible)


CPU = Device("cpu")


def device(text: str) -> str:
    """For argparse: `auto`, `cpu`, `cuda`, or GPUs such as `cuda:0,cuda:2`."""
    if text in ("auto", "cpu", "cuda"):
        return text
    names = text.split(",")
    if not all(re.fullmatch(r"cuda:\d{1,4}", name) for name in names):
        raise argparse.ArgumentTypeError(
            f"should be auto, cpu, cuda, or GPUs such as cuda:0,cuda:2 (got '{text}')"
        )
    if len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"names a GPU twice (got '{text}')")
    return text


def find_devices(wanted: str) -> list[Device]:
    """The devices of this machine that `--device` means: all GPUs, some, or the processor.

    Raises:
        BadInput: for a GPU that is not there.
    """
    if wanted == "cpu":
        return [CPU]
    gpus = visible_gpus()
    if wanted == "auto":
        return gpus or [CPU]
    if not gpus:
        raise BadInput(f"--device {wanted}: torch finds no CUDA device; use --device cpu")
    if wanted == "cuda":
        return gpus
    by_label = {gpu.label: gpu for gpu in gpus}
    for name in wanted.split(","):
        if name not in by_label:
            raise BadInput(f"--device {wanted}: no {name}; there are {', '.join(by_label)}")
    return [by_label[name] for name in wanted.split(",")]


def visible_gpus() -> list[Device]:
    """The GPUs that torch sees. Where there is no sign of one, torch is not even imported."""
    if not any(any(Path("/dev").glob(sign)) for sign in _SIGNS_OF_A_GPU):
        return []
    import torch

    n_gpus = torch.cuda.device_count()
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    entries = [str(i) for i in range(n_gpus)] if given is None else given.split(",")
    return [Device(f"cuda:{i}", entry.strip()) for i, entry in enumerate(entries[:n_gpus])]


def spread(devices: list[Device], n_workers: int) -> list[Device]:
    """A device for each worker, evenly."""
    return [devices[i % len(devices)] for i in range(n_workers)]
