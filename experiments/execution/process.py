"""What a process computes with, so that every engine adds up the same sums."""

from __future__ import annotations

import ctypes
import platform

import torch

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""As malloc.h names and numbers them."""


def prepare_process() -> None:
    """What every engine computes with, so that it adds up the same sums.

    One worker per core with one thread each is the fastest. Numbers too small for float32's
    normal range count as zero: a saturated sigmoid makes many, and a processor takes a hundred
    times as long over each.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    _keep_freed_memory()


def _keep_freed_memory() -> None:
    """Have glibc reuse what a step frees: given back to the kernel, it comes page by page.

    A convolutional training spends a tenth of its time on that. Source: mallopt(3).
    """
    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        libc.mallopt(_M_TRIM_THRESHOLD, 256 << 20)


def compute_device(wanted: str) -> str:
    """What `auto` means here."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


def describe_device(device: str, label: str) -> str:
    """For people: `cpu`, `cuda:2 (NVIDIA H100)`"""
    if not device.startswith("cuda"):
        return label
    return f"{label} ({torch.cuda.get_device_name(device)})"


def free_device_memory(device: str) -> None:
    """Give back what torch keeps of a GPU's memory: others compute there, too."""
    if device != "cpu" and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
