"""Which devices `--device` means."""

from __future__ import annotations

import argparse

import pytest

from experiments.execution import devices
from experiments.execution.devices import CPU, Device, device, find_devices, spread
from vae.errors import BadInput

GPUS = [Device("cuda:0", "3"), Device("cuda:1", "5"), Device("cuda:2", "7")]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("cpu", [CPU]),
        ("auto", GPUS),
        ("cuda", GPUS),
        ("cuda:1", [GPUS[1]]),
        ("cuda:2,cuda:0", [GPUS[2], GPUS[0]]),
    ],
)
def test_where_there_are_gpus(
    wanted: str, found: list[Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "visible_gpus", lambda: GPUS)
    assert find_devices(device(wanted)) == found


def test_where_there_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "visible_gpus", list)
    assert find_devices("auto") == find_devices("cpu") == [CPU]
    for wanted in ("cuda", "cuda:0"):
        with pytest.raises(BadInput, match=f"--device {wanted}: .* use --device cpu"):
            find_devices(wanted)


def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "visible_gpus", lambda: GPUS)
    with pytest.raises(BadInput, match="no cuda:3; there are cuda:0, cuda:1, cuda:2"):
        find_devices("cuda:0,cuda:3")


@pytest.mark.parametrize("text", ["gpu", "cuda:", "cuda:-1", "cuda:0,cpu", "cuda:0,cuda:0", "0"])
def test_what_is_no_device(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        device(text)


@pytest.mark.parametrize(
    ("given", "n_gpus", "visible"),
    [
        (None, 2, ["0", "1"]),
        ("3,5", 2, ["3", "5"]),
        ("3, GPU-1a2b", 2, ["3", "GPU-1a2b"]),
        ("3,5,-1", 2, ["3", "5"]),
        ("", 0, []),
    ],
)
def test_gpus_are_those_that_torch_sees(
    given: str | None, n_gpus: int, visible: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker's CUDA_VISIBLE_DEVICES is an entry of the sweep's own."""
    import torch

    monkeypatch.setattr(devices, "_SIGNS_OF_A_GPU", ("null",))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
    if given is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    found = devices.visible_gpus()
    assert [gpu.visible for gpu in found] == visible
    assert [gpu.label for gpu in found] == [f"cuda:{i}" for i in range(n_gpus)]


def test_workers_are_spread_evenly() -> None:
    labels = [d.label for d in spread(GPUS, 7)]
    assert [labels.count(gpu.label) for gpu in GPUS] == [3, 2, 2]
