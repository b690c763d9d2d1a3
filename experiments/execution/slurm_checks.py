"""What cannot work with Slurm, told before anything is written."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import subprocess
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.execution.engine import Request
from experiments.execution.shared_stores import check_shared
from experiments.execution.slurm_jobs import executor
from experiments.execution.slurm_queue import nodes_of, try_submission
from experiments.secrets import mask, without_credentials
from vae.errors import BadInput

_COMMANDS = ("sbatch", "squeue", "scancel", "sinfo", "srun")
_PRIVATE_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/run")  # noqa: S108
"""Which each node has for itself."""

_SUBMITIT_S_OWN = {
    "additional_parameters", "array_parallelism", "setup", "signal_delay_s", "srun_args",
    "stderr_to_stdout", "teardown", "use_srun",
}  # fmt: skip


def check_submitit() -> None:
    if importlib.util.find_spec("submitit") is None:
        raise BadInput("--engine slurm: needs the package submitit; pip install '.[slurm]'")


def asks_for_gpus(parameters: Mapping[str, Any]) -> bool:
    names = ("gpus_per_node", "gpus_per_task", "num_gpus")
    return any(parameters.get(name) for name in names) or "gpu" in str(parameters.get("gres", ""))


def check_slurm(request: Request, parameters: Mapping[str, Any]) -> None:
    """Raise BadInput where no job could do what the request asks for; submits none."""
    if request.device == "cuda" and not asks_for_gpus(parameters):
        raise BadInput("--device cuda: with --engine slurm, ask for one: --slurm gpus_per_node=1")
    for command in _COMMANDS:
        if shutil.which(command) is None:
            raise BadInput(f"--engine slurm: there is no {command} here; is this a login node?")
    executor(Path(), "slurm", parameters)  # which knows its parameters
    if reason := try_submission(_flags(parameters)):
        raise BadInput(f"--slurm: Slurm would not take such a job ({reason})")
    others = _nodes_beside_this_one(parameters.get("partition"))
    if others:
        _check_places(request, f"--engine slurm on {others} other nodes")


def _flags(parameters: Mapping[str, Any]) -> list[str]:
    """Of sbatch, which say what submitit's parameters say."""
    flags = []
    for key, value in parameters.items():
        if key in _SUBMITIT_S_OWN or value is False:
            continue
        name = {"num_gpus": "gpus-per-node"}.get(key, key.replace("_", "-"))
        flags.append(f"--{name}" if value is True else f"--{name}={value}")
    return flags


def _nodes_beside_this_one(partition: str | None) -> int:
    try:
        nodes = nodes_of(partition)
    except (OSError, subprocess.SubprocessError) as error:
        raise BadInput(f"--engine slurm: sinfo does not answer ({error})") from error
    here = socket.gethostname().partition(".")[0]
    return len({node for node in nodes if node.partition(".")[0] != here})


def _check_places(request: Request, place: str) -> None:
    check_shared(place, request.stores, folders_are_shared=True)
    address = without_credentials(request.stores.tracking_uri)
    if is_loopback(urllib.parse.urlsplit(address).hostname or ""):
        raise BadInput(
            f"--tracking-uri {mask(address)}: the nodes cannot reach that; give the server's name, "
            f"and start it with --host 0.0.0.0 and --allowed-hosts NAME:PORT"
        )
    for option, folder in (
        ("--checkpoint-dir", request.stores.checkpoints),
        ("--data-dir", request.stores.data_dir),
    ):
        if folder.resolve().as_posix().startswith(tuple(f"{p}/" for p in _PRIVATE_FOLDERS)):
            raise BadInput(f"{option} {folder}: each node has its own; give a folder they share")


def is_loopback(host: str) -> bool:
    return host in ("localhost", "::1", "0.0.0.0") or host.startswith("127.")  # noqa: S104
