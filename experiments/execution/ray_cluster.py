"""Trials on the nodes of a Ray cluster. Ray is imported only if it is asked for.

Ray decides which node does which task, and notices when a node is gone. Nothing travels but a task
and its result: workers read data and write to the tracking server themselves.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.cli import positive_int, share
from experiments.execution.engine import (
    RETRIES,
    TIMEOUT,
    WORKERS,
    Engine,
    OpenEngine,
    Option,
    Request,
)
from experiments.execution.messages import Event, Task, TrialResult
from experiments.execution.ray_task import EventQueue, advance_on_node
from experiments.execution.resources import Share, cpu_cores
from experiments.execution.shared_stores import check_shared
from experiments.secrets import mask
from vae.errors import BadInput

if TYPE_CHECKING:
    import ray

LOCAL = "local"
"""The address that stands for a Ray of this machine, started with the sweep and gone with it."""

_CODE = Path(__file__).resolve().parents[2]
_OBJECT_STORE_BYTES = 100 * 2**20
"""Of a local Ray, which by default takes a third of the memory: results are a few hundred bytes."""

_SETTINGS = ("MLFLOW_DISABLE_TELEMETRY", "SWEEP_PATIENCE_SECONDS")
"""What of the environment goes along. Credentials do not: Ray shows a job's variables to others."""

_CONNECT_SECONDS = 8
_NEWS_SECONDS = 0.2
_STOP_SECONDS = 5


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
        raise BadInput(f"--ray-address {address}: {_first_line(error)}") from error
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


class Ray:
    """Every task is a Ray task; Ray keeps the processes that do them warm."""

    def __init__(
        self,
        n_workers: int,
        on_event: Callable[[Event], None],
        workers_lock: Path,
        timeout: float | None,
        share: Share,
    ) -> None:
        """To be made inside `joined`.

        Args:
            n_workers: how many tasks are under way or wait for a node at once
            on_event: called with what the workers tell, in a thread of its own
            workers_lock: held by every worker on this machine for as long as it lives
            timeout: seconds that a task may take, not counting the wait for a node
        """
        import ray

        self.capacity = n_workers
        self._running: dict[Future[TrialResult], ray.ObjectRef] = {}
        self._event_queue = _open_event_queue()
        self._over = threading.Event()
        self._listener = threading.Thread(target=self._listen, args=(on_event,), daemon=True)
        self._listener.start()
        task = ray.remote(advance_on_node)
        # What is lost is for `drive` to count. Idle processes stay: torch takes seconds to import.
        task = task.options(num_cpus=share.cpus, num_gpus=share.gpus, max_retries=0)
        self._submit = functools.partial(
            task.remote, timeout=timeout, workers_lock=workers_lock, event_queue=self._event_queue
        )

    def submit(self, task: Task) -> Future[TrialResult]:
        future: Future[TrialResult] = Future()
        reference = self._submit(task)
        self._running[future] = reference
        reference.future().add_done_callback(lambda done: self._pass_on(task, done, future))
        return future

    def _pass_on(self, task: Task, done: Future[TrialResult], future: Future[TrialResult]) -> None:
        """Called by Ray, in a thread that must not wait for anything."""
        self._running.pop(future, None)
        error = done.exception()
        if error is None:
            future.set_result(done.result())
        else:
            why = self._event_queue.why_lost.remote(task.run_id, _cause_of_loss(error)).future()
            why.add_done_callback(
                lambda told: future.set_result(
                    TrialResult(
                        task, "lost", _cause_of_loss(error) if told.exception() else told.result()
                    )
                )
            )

    def _listen(self, on_event: Callable[[Event], None]) -> None:
        import ray

        over = False
        while not over:
            over = self._over.wait(timeout=_NEWS_SECONDS)
            try:
                events = ray.get(self._event_queue.read.remote())
            except ray.exceptions.RayError:  # the newsroom is gone; trials need none
                return
            for event in events:
                on_event(event)

    def stop(self) -> None:
        import ray

        running = dict(self._running)
        for reference in running.values():
            ray.cancel(reference, force=True)
        wait(running, timeout=_STOP_SECONDS)
        self._over.set()
        self._listener.join(timeout=_STOP_SECONDS)


def _cause_of_loss(error: BaseException) -> str:
    import ray.exceptions

    if isinstance(error, ray.exceptions.NodeDiedError):
        return "its node died"
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        return "its node ran out of memory"
    if isinstance(error, ray.exceptions.WorkerCrashedError):
        return "its worker or its node died"
    cause = getattr(error, "cause", None) or error
    return f"its worker was lost ({type(cause).__name__}: {_first_line(cause)})"


def _first_line(error: BaseException) -> str:
    return mask(next(iter(str(error).splitlines()), type(error).__name__))


def _open_event_queue() -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    event_queue: Any = ray.remote(EventQueue)
    return event_queue.options(num_cpus=0, scheduling_strategy=here).remote()


@contextlib.contextmanager
def _open(request: Request) -> Iterator[OpenEngine]:
    options = request.options
    taken = Share(options["cpus_per_trial"], options["gpus_per_trial"])
    if request.device == "cuda" and not taken.gpus:
        raise BadInput("--device cuda: with --engine ray, say --gpus-per-trial")
    with joined(options["ray_address"], taken) as cluster:
        if cluster.n_nodes > 1:
            check_shared(f"--engine ray on {cluster.n_nodes} nodes", request.stores)
        yield OpenEngine(
            options["workers"] or cluster.capacity,
            lambda n_workers, on_event, workers_lock: Ray(
                n_workers, on_event, workers_lock, options["timeout"], taken
            ),
        )


ENGINE = Engine(
    summary="the nodes of a Ray cluster, by default as many trials as fit into them",
    options=(
        WORKERS,
        RETRIES,
        TIMEOUT,
        Option(
            "--ray-address",
            "ADDRESS",
            "auto, or HOST:PORT, joins a cluster; local starts a Ray of this machine",
            default=LOCAL,
        ),
        Option("--cpus-per-trial", "N", "that a trial takes of a node", positive_int, default=1),
        Option(
            "--gpus-per-trial",
            "X",
            "that a trial takes of a node; may be a fraction",
            share,
            default=0,
        ),
    ),
    n_workers=lambda request: request.options["workers"] or cpu_cores(),
    open=_open,
)
