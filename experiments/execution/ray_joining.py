"""Starting a Ray of this machine, or joining a cluster. Ray is imported only if it is asked for."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.execution.resources import Share, cpu_cores
from experiments.secrets import mask
from vae.errors import BadInput

LOCAL = "local"
"""The address that stands for a Ray of this machine, started with the sweep and gone with it."""

_CODE = Path(__file__).resolve().parents[2]
_OBJECT_STORE_BYTES = 100 * 2**20
"""Of a local Ray, which by default takes a third of the memory: results are a few hundred bytes."""

_SETTINGS = ("MLFLOW_DISABLE_TELEMETRY", "SWEEP_PATIENCE_SECONDS")
"""What of the environment goes along. Credentials do not: Ray shows a job's variables to others."""

_CONNECT_SECONDS = 8


@dataclass(frozen=True)
class Cluster:
    """What was joined.

    Attributes:
        capacity: how many trials fit into it side by side
    """

    n_nodes: int
    capacity: int


@contextlib.contextmanager
def joined(address: str, share: Share) -> Iterator[Cluster]:
    """Start a Ray of this machine, or join a cluster as one of its drivers.

    Args:
        address: `local`, `auto` (the cluster that this machine is a node of) or HOST:PORT

    Raises:
        BadInput: when there is no Ray, no cluster, or no room in it for a single trial.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report the sweep to its makers
    try:
        import ray
    except ModuleNotFoundError as error:
        raise BadInput("--engine ray: needs the package ray; pip install '.[ray]'") from error
    _check_address(address)
    try:
        ray.init(address=address, **_init_options(address))
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise BadInput(f"--ray-address {address}: {first_line(error)}") from error
    try:
        yield _size_up(ray.nodes(), share)
    finally:
        ray.shutdown()


def _check_address(address: str) -> None:
    """Ray itself would try for minutes, and log."""
    import ray.util

    if address in (LOCAL, "auto"):
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "//" in host:
        raise BadInput(f"--ray-address {address}: should be auto, or HOST:PORT of the head node")
    if host in ("localhost", "127.0.0.1"):  # Ray, too, takes them for this node's own address
        host = ray.util.get_node_ip_address()
    try:
        socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise BadInput(f"--ray-address {address}: no Ray answers ({error})") from error


def _init_options(address: str) -> dict[str, Any]:
    packages = [str(_CODE / package) for package in ("vae", "experiments")]
    settings = {name: os.environ[name] for name in _SETTINGS if name in os.environ}
    options: dict[str, Any] = {
        "runtime_env": {
            "py_modules": packages,
            "excludes": ["__pycache__"],
            "env_vars": settings,
        },
        "log_to_driver": False,
        "logging_level": "ERROR",
    }
    if address == LOCAL:
        options |= {
            "num_cpus": cpu_cores(),
            "include_dashboard": False,
            "object_store_memory": _OBJECT_STORE_BYTES,
        }
    return options


def _size_up(nodes: list[dict[str, Any]], share: Share) -> Cluster:
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    capacity = sum(share.fits_into(resources) for resources in alive)
    if not capacity:
        most = {kind: max(r.get(kind, 0) for r in alive) for kind in ("CPU", "GPU")}
        raise BadInput(
            f"--cpus-per-trial {share.cpus:g} --gpus-per-trial {share.gpus:g}: no node has so "
            f"much; the most is {most['CPU']:g} CPUs, {most['GPU']:g} GPUs"
        )
    return Cluster(len(alive), capacity)


def first_line(error: BaseException) -> str:
    return mask(next(iter(str(error).splitlines()), type(error).__name__))
