"""What a job asks for, as people write it."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import Any

import pytest

from experiments.execution.slurm_options import slurm_parameters


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("partition=gpu", {"partition": "gpu"}),
        ("partition=gpu,gpus_per_node=1", {"partition": "gpu", "gpus_per_node": 1}),
        ("nodelist=a1,a2,qos=long", {"nodelist": "a1,a2", "qos": "long"}),
        ("gres=gpu:a100:1,mem=8GB", {"gres": "gpu:a100:1", "mem": "8GB"}),
        ("mem-per-cpu=2GB", {"mem_per_cpu": "2GB"}),
        ("exclusive=true", {"exclusive": True}),
        ("cluster=local", {"cluster": "local"}),
        ("time=30", {"time": 30}),
        ("time=4:00:00", {"time": 240}),
        ("time=90:00", {"time": 90}),
        ("time=0:30", {"time": 1}),
        ("time=1-12", {"time": 36 * 60}),
        ("time=1-12:30", {"time": 36 * 60 + 30}),
        ("time=2-00:00:01", {"time": 2 * 24 * 60 + 1}),
    ],
)
def test_parameters(text: str, meant: dict[str, Any]) -> None:
    assert slurm_parameters(text) == meant


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "key=value"),
        ("partition", "key=value"),
        ("partition=", "key=value"),
        ("time=soon", "time: should be like 4:00:00"),
        ("nodes=2", "nodes: a job is one worker; give --workers"),
        ("job_name=mine", "job_name"),
    ],
)
def test_what_is_none(text: str, said: str) -> None:
    with pytest.raises(ArgumentTypeError, match=said):
        slurm_parameters(text)
