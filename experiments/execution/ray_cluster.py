"""Trials on the nodes of a Ray cluster. Ray is imported only if it is asked for.

Ray decides which node does which task, and notices when a node is gone. Nothing travels but a task
and its result: workers read data and write to the tracking server themselves.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
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
from experiments.execution.listener import never_raising
from experiments.execution.messages import Event, Task, TaskState, TrialResult
from experiments.execution.ray_joining import LOCAL, first_line, joined
from experiments.execution.ray_task import EventQueue, advance_on_node
from experiments.execution.resources import Share, cpu_cores
from experiments.execution.shared_stores import check_shared
from vae.configuration import Trial
from vae.errors import BadInput

if TYPE_CHECKING:
    import ray

_NEWS_SECONDS = 0.2
_STOP_SECONDS = 5


class Ray:
    """Every task is a Ray task; Ray keeps the processes that do them warm."""

    def __init__(
        self,
        n_workers: int,
        on_event: Callable[[Event], None],
        workers_lock: Path,
        share: Share,
    ) -> None:
        """To be made inside `joined`.

        Args:
            n_workers: how many tasks are under way or wait for a node at once
            on_event: called with what the workers tell, in a thread of its own
            workers_lock: held by every worker on this machine for as long as it lives
        """
        import ray

        self.n_workers = n_workers
        self._running: dict[Future[TrialResult], tuple[Trial, ray.ObjectRef]] = {}
        self._event_queue = _open_event_queue()
        self._over = threading.Event()
        self._listener = threading.Thread(
            target=self._listen, args=(never_raising(on_event),), daemon=True
        )
        self._listener.start()
        task = ray.remote(advance_on_node)
        # What is lost is for `drive` to count. Idle processes stay: torch takes seconds to import.
        task = task.options(num_cpus=share.cpus, num_gpus=share.gpus, max_retries=0)
        self._submit = functools.partial(
            task.remote, workers_lock=workers_lock, event_queue=self._event_queue
        )

    can_isolate = False

    @property
    def n_free(self) -> int:
        return self.n_workers - len(self._running)

    def submit(self, task: Task) -> Future[TrialResult]:
        future: Future[TrialResult] = Future()
        reference = self._submit(task)
        self._running[future] = (task.trial, reference)
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
                        task,
                        TaskState.LOST,
                        _cause_of_loss(error) if told.exception() else told.result(),
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
            except ray.exceptions.RayError:  # the event queue is gone; trials need none
                return
            for event in events:
                on_event(event)

    def end(self, which: Callable[[Trial], bool]) -> None:
        """Ray kills the processes of what runs; what waits is not begun."""
        import ray

        for trial, reference in list(self._running.values()):
            if which(trial):
                ray.cancel(reference, force=True)

    def stop(self) -> None:
        import ray

        running = dict(self._running)
        for _, reference in running.values():
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
    return f"its worker was lost ({type(cause).__name__}: {first_line(cause)})"


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
    if ":" in request.device:
        raise BadInput(f"--device {request.device}: Ray chooses the GPUs; say --gpus-per-trial")
    if request.device == "cuda" and not taken.gpus:
        raise BadInput("--device cuda: with --engine ray, say --gpus-per-trial")
    with joined(options["ray_address"], taken) as cluster:
        if cluster.n_nodes > 1:
            check_shared(f"--engine ray on {cluster.n_nodes} nodes", request.stores)
        yield OpenEngine(
            options["workers"] or cluster.capacity,
            lambda n_workers, on_event, workers_lock: Ray(n_workers, on_event, workers_lock, taken),
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
        Option(
            "--cpus-per-trial",
            "N",
            "that a trial takes of a node, and of its memory with them; it computes with one "
            "thread all the same, since with more the last bits are others",
            positive_int,
            default=1,
        ),
        Option(
            "--gpus-per-trial",
            "X",
            "that a trial takes of a node; may be a fraction",
            share,
            default=0,
        ),
    ),
    n_workers=lambda request: request.options["workers"] or cpu_cores(),
    describe=lambda request: "as many trials at once as fit into the nodes of Ray",
    open=_open,
)
