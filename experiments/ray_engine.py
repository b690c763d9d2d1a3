"""Trials on the nodes of a Ray cluster. The only module that imports ray, and only if asked for.

Ray decides which node works on what, and notices when one is gone. Nothing travels but a piece of
work and its result: workers read data and write to the tracking server themselves.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import functools
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.command_line import cpu_cores
from experiments.locks import join_workers
from experiments.masking import mask
from experiments.work import EpochDone, Event, Share, TrialResult, Work
from vae import datasets
from vae.errors import BadInput

if TYPE_CHECKING:
    import ray

LOCAL = "local"
"""The address that stands for a Ray of this machine, started with the sweep and gone with it."""

_CODE = Path(__file__).resolve().parent.parent
_OBJECT_STORE_BYTES = 100 * 2**20
"""Of a local Ray, which by default takes a third of the memory: results are a few hundred bytes."""

_SETTINGS = ("MLFLOW_DISABLE_TELEMETRY", "SWEEP_PATIENCE_SECONDS")
"""What of the environment goes along. Credentials do not: Ray shows a job's variables to others."""

_CONNECT_SECONDS = 8
_NEWS_SECONDS = 0.2
_STOP_SECONDS = 5
_LAST_WORD_SECONDS = 5
"""That a worker has to say that its trial takes too long, before it ends itself."""


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
    """Every piece of work is a Ray task; Ray keeps the processes that do them warm."""

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
            n_workers: how many pieces of work are under way or wait for a node at once
            on_event: called with what the workers tell, in a thread of its own
            workers_lock: held by every worker on this machine for as long as it lives
            timeout: seconds that a piece of work may take, not counting the wait for a node
        """
        import ray

        self.capacity = n_workers
        self._running: dict[Future[TrialResult], ray.ObjectRef] = {}
        self._newsroom = _open_newsroom()
        self._over = threading.Event()
        self._listener = threading.Thread(target=self._listen, args=(on_event,), daemon=True)
        self._listener.start()
        task = ray.remote(_advance_on_node)
        # What is lost is for `drive` to count. Idle processes stay: torch takes seconds to import.
        task = task.options(num_cpus=share.cpus, num_gpus=share.gpus, max_retries=0)
        self._submit = functools.partial(
            task.remote, timeout=timeout, workers_lock=workers_lock, newsroom=self._newsroom
        )

    def submit(self, work: Work) -> Future[TrialResult]:
        future: Future[TrialResult] = Future()
        reference = self._submit(work)
        self._running[future] = reference
        reference.future().add_done_callback(lambda done: self._pass_on(work, done, future))
        return future

    def _pass_on(self, work: Work, done: Future[TrialResult], future: Future[TrialResult]) -> None:
        """Called by Ray, in a thread that must not wait for anything."""
        self._running.pop(future, None)
        error = done.exception()
        if error is None:
            future.set_result(done.result())
        else:
            why = self._newsroom.why_lost.remote(work.run_id, _cause_of_loss(error)).future()
            why.add_done_callback(
                lambda told: future.set_result(
                    TrialResult(
                        work, "lost", _cause_of_loss(error) if told.exception() else told.result()
                    )
                )
            )

    def _listen(self, on_event: Callable[[Event], None]) -> None:
        import ray

        over = False
        while not over:
            over = self._over.wait(timeout=_NEWS_SECONDS)
            try:
                events = ray.get(self._newsroom.read.remote())
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


# ----------------------------------------------------------------------------- news


class _Newsroom:
    """Where workers leave their news and the parent fetches them: an actor on its node."""

    def __init__(self) -> None:
        self._news: list[Event] = []
        self._timed_out: set[str] = set()

    def tell(self, event: Event) -> None:
        self._news.append(event)

    def read(self) -> list[Event]:
        """What has come in since it was read last."""
        news, self._news = self._news, []
        return news

    def time_out(self, run_id: str) -> None:
        """A worker's last word: it is about to end itself and what it works on."""
        self._timed_out.add(run_id)

    def why_lost(self, run_id: str, otherwise: str) -> str:
        if run_id not in self._timed_out:
            return otherwise
        self._timed_out.remove(run_id)
        return "timed out"


def _open_newsroom() -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    newsroom: Any = ray.remote(_Newsroom)
    return newsroom.options(num_cpus=0, scheduling_strategy=here).remote()


# -------------------------------------------------------- what follows runs on the nodes


def _advance_on_node(
    work: Work, timeout: float | None, workers_lock: Path, newsroom: Any
) -> TrialResult:
    from experiments import worker

    _join_once(workers_lock)
    try:
        _prepare_once(work.trial.configuration.dataset, work.data_dir)
    except BadInput as error:  # this node has no data; another may
        return TrialResult(work, "lost", f"{error} (on {socket.gethostname()})")
    with _at_most(timeout, lambda: _time_out(newsroom, work.run_id)):
        return worker.advance(work, functools.partial(_tell, newsroom))


@functools.cache
def _join_once(workers_lock: Path) -> None:
    """A second sweep on the parent's machine waits for those of a first one that was killed."""
    workers_lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    join_workers(workers_lock)


@functools.cache
def _prepare_once(dataset: str, data_dir: str) -> None:
    """The first worker of a node fetches what is missing, the others wait for it."""
    with (Path(tempfile.gettempdir()) / f"vae-sweeps-data-{os.getuid()}").open("a") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        datasets.DATASETS[dataset].prepare(Path(data_dir))


@contextlib.contextmanager
def _at_most(seconds: float | None, give_up: Callable[[], None]) -> Iterator[None]:
    """End this process if what is inside takes longer: interrupted anywhere, an import say, it
    would be of no use to the next trial.
    """
    if seconds is None:
        yield
        return
    alarm = threading.Timer(seconds, give_up)
    alarm.daemon = True
    alarm.start()
    # Also if the trial hangs in a place where no other thread of Python gets a turn.
    faulthandler.dump_traceback_later(seconds + 2 * _LAST_WORD_SECONDS, exit=True)
    try:
        yield
    finally:
        alarm.cancel()
        faulthandler.cancel_dump_traceback_later()


def _time_out(newsroom: Any, run_id: str) -> None:
    import ray

    with contextlib.suppress(ray.exceptions.RayError):
        ray.get(newsroom.time_out.remote(run_id), timeout=_LAST_WORD_SECONDS)
    os._exit(1)


def _tell(newsroom: Any, event: Event) -> None:
    """Nobody waits for an answer: a worker that waits gives its CPU to another."""
    if isinstance(event, EpochDone):  # process ids are of a node, this is of the cluster
        event = replace(event, worker=_worker_number())
    newsroom.tell.remote(event)


@functools.cache
def _worker_number() -> int:
    import ray

    return int(ray.get_runtime_context().get_worker_id()[:12], 16)
