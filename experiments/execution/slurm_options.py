"""`--slurm key=value,...`: what a job asks for, in submitit's own names."""

from __future__ import annotations

import re
from argparse import ArgumentTypeError
from typing import Any

from experiments.execution.engine import Option

_ONE_PROCESS = ("nodes", "ntasks_per_node", "tasks_per_node")
_TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")
"""Of Slurm: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]]."""


def slurm_parameters(text: str) -> dict[str, Any]:
    """Of `partition=gpu,time=4:00:00,gpus_per_node=1`; a comma in a value is no end of it."""
    parameters: dict[str, Any] = {}
    for part in re.split(r",(?=\w+=)", text):
        key, equals, value = part.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or not key or not value.strip():
            raise ArgumentTypeError(f"should be key=value,key=value (got '{part}')")
        if key in _ONE_PROCESS:
            raise ArgumentTypeError(f"{key}: a job is one worker; give --workers")
        if key == "job_name":
            raise ArgumentTypeError("job_name: by its own name the sweep finds its jobs again")
        parameters[key] = _minutes(value) if key == "time" else _plain(value.strip())
    return parameters


def _plain(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    return int(text) if text.isdecimal() else text


def _minutes(text: str) -> int:
    """As `sbatch --time` reads it, in whole minutes."""
    found = _TIME.fullmatch(text.strip())
    if found is None:
        raise ArgumentTypeError(f"time: should be like 4:00:00 or 1-12 (got '{text}')")
    days, *rest = found.groups()
    numbers = [int(number) for number in rest if number is not None]
    if days is not None:
        hours, minutes, seconds = [*numbers, 0, 0][:3]
    elif len(numbers) == 3:
        hours, minutes, seconds = numbers
    else:
        hours, (minutes, seconds) = 0, [*numbers, 0][:2]
    return ((int(days or 0) * 24 + hours) * 60) + minutes + (seconds > 0)


SLURM = Option(
    "--slurm",
    "KEY=VALUE,...",
    "what a job asks for, in submitit's names: partition=gpu,time=4:00:00,gpus_per_node=1; time is "
    "60 minutes if it is not given; cluster=local starts the jobs on this machine, without Slurm",
    slurm_parameters,
)
