"""What a process computes with, so that every engine adds up the same sums."""

from __future__ import annotations

import ctypes
import functools
import platform
import socket
from pathlib import Path

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


def surroundings(device: str, label: str) -> dict[str, str]:
    """Where this process computes, as tags of a run: what may move the last bits of a number.

    Args:
        device, label: as of `describe_device`
    """
    return {
        "device": describe_device(device, label),
        "host": socket.gethostname(),
        "processor": processor(),
        "threads": str(torch.get_num_threads()),
    }


@functools.cache
def processor() -> str:
    """Its name and the instructions that torch uses of it: `AMD EPYC, AVX512`"""
    cpu_info = Path("/proc/cpuinfo")  # of Linux; platform knows the architecture alone there
    lines = cpu_info.read_text(encoding="utf-8").splitlines() if cpu_info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"


def free_device_memory(device: str) -> None:
    """Give back what torch keeps of a GPU's memory: others compute there, too."""
    if device != "cpu" and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
