"""Workers that are jobs: they come and go, and take their tasks from a shared folder.

A job is a worker that asks for more: it takes one task after the other while its time lasts. A task
that waited in Slurm's queue by itself would wait anew for each rung of a study and each round of a
race, and each would import torch. The sweep's own process proposes, on the login node or in a job
of its own; a folder that all nodes share is what they talk through.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from experiments.execution.engine import NoWorkers
from experiments.execution.job_record import JobRecord
from experiments.execution.job_worker import Sweep, work
from experiments.execution.listener import never_raising
from experiments.execution.mailbox import Mailbox
from experiments.execution.messages import EpochDone, Event, Notice, Task, TaskState, TrialResult
from experiments.execution.slurm_jobs import Jobs
from experiments.execution.slurm_queue import OUT_OF_TIME, VANISHED, JobState, wait_until_over
from vae.configuration import Trial

_ROUND_SECONDS = 0.5
_STATES_SECONDS = 3.0
_STOP_SECONDS = 7.0
_END_SECONDS = 10.0
_MOST_STILLBORN = 3
"""Jobs in a row that end without having come up; after that it is not their node's fault."""


@dataclass
class _Outstanding:
    """A task that is under way, and how many epochs its worker has told of."""

    task: Task
    future: Future[TrialResult]
    n_epochs: int = 0


@dataclass
class _Fleet:
    """The jobs that were submitted, and what became of them.

    Attributes:
        live: those that wait or run
        came_up: those whose worker has said so
        n_stillborn: how many in a row ended without having said so
    """

    live: dict[str, JobState] = field(default_factory=dict)
    came_up: set[str] = field(default_factory=set)
    n_stillborn: int = 0

    def update(self, states: Mapping[str, JobState], workers: Iterable[str]) -> str:
        """Returns the last job that ended without having come up, and how; or nothing."""
        self.came_up |= {_job_of(worker) for worker in workers}
        stillborn = ""
        for job_id in list(self.live):
            state = self.live[job_id] = states.get(job_id, VANISHED)
            if job_id in self.came_up:
                self.n_stillborn = 0
            if state.is_over:
                del self.live[job_id]
                if job_id not in self.came_up:
                    self.n_stillborn += 1
                    stillborn = f"job {job_id}: {state}"
        return stillborn


class JobWorkers:
    """Tasks in a shared folder, and jobs that take them from there."""

    can_isolate = False

    def __init__(
        self,
        n_workers: int,
        jobs: Jobs,
        record: JobRecord,
        on_event: Callable[[Event], None],
        sweep: Sweep,
        device: str = "",
    ) -> None:
        """Args:
        n_workers: how many jobs wait or run at most
        record: written; it and its folder are gone in the end
        on_event: called with what the workers tell, in a thread of its own
        sweep: as its jobs know it; Slurm may take no jobs for as long as it may be silent
        device: on which tasks compute, where that is not theirs to choose
        """
        self.n_workers = n_workers
        self._jobs = jobs
        self._record = record
        self._mailbox = Mailbox(sweep.mail)
        self._on_event = never_raising(on_event)
        self._sweep = sweep
        self._device = device
        self._lock = threading.Lock()
        self._outstanding: dict[int, _Outstanding] = {}
        self._n_tasks = 0
        self._fleet = _Fleet()
        self._refused_since: float | None = None
        self._hopeless: NoWorkers | None = None
        self._next_states = 0.0
        self._over = threading.Event()
        self._mailbox.create()
        self._record.write()
        self._thread = threading.Thread(target=self._look_after, daemon=True)
        self._thread.start()

    @property
    def n_free(self) -> int:
        with self._lock:
            return self.n_workers - len(self._outstanding)

    def submit(self, task: Task) -> Future[TrialResult]:
        future: Future[TrialResult] = Future()
        if self._hopeless is not None:
            future.set_exception(self._hopeless)
            return future
        if self._device:
            task = replace(task, device=self._device)
        with self._lock:
            self._n_tasks += 1
            try:
                self._mailbox.put(self._n_tasks, task)
            except OSError as error:
                future.set_exception(NoWorkers(f"tasks cannot be handed out ({error})"))
            else:
                self._outstanding[self._n_tasks] = _Outstanding(task, future)
        return future

    def end(self, which: Callable[[Trial], bool]) -> None:
        with self._lock:
            found = [(n, o.task) for n, o in self._outstanding.items() if which(o.task.trial)]
        for number, task in found:
            if self._mailbox.take_back(number):
                self._end(number, TrialResult(task, TaskState.LOST, "ended before it began"))
            else:
                self._mailbox.end(number)

    # ------------------------------------------------------------- in a thread of its own

    def _look_after(self) -> None:
        while not self._over.wait(_ROUND_SECONDS):
            try:
                self._round()
            except OSError as error:
                if not self._mailbox.folder.exists():
                    self._give_up(f"somebody has removed {self._mailbox.folder}")
                    return
                # A file system that does not answer for a moment.
                self._on_event(Notice("warning", f"{error}; the sweep goes on"))

    def _round(self) -> None:
        self._mailbox.beat()
        states, taken = None, self._mailbox.taken()
        if time.monotonic() >= self._next_states:
            states = self._jobs.states()
            self._next_states = time.monotonic() + _STATES_SECONDS
        self._pass_on_events()
        self._pass_on_results()
        if states is not None:
            # In this order: who had taken a task before its job was seen to be gone has lost it.
            self._find_the_lost(taken, states)
            stillborn = self._fleet.update(states, self._mailbox.workers())
            if self._fleet.n_stillborn >= _MOST_STILLBORN:
                self._give_up(
                    f"{self._fleet.n_stillborn} jobs ended without having come up, the last: "
                    f"{stillborn}; does every node see {self._mailbox.folder.parent}, with their "
                    f"logs?"
                )
        self._submit_jobs()

    def _pass_on_events(self) -> None:
        for number, event in self._mailbox.read_events():
            if number in self._outstanding and isinstance(event, EpochDone):
                self._outstanding[number].n_epochs += 1
            self._on_event(event)

    def _pass_on_results(self) -> None:
        for number, result in self._mailbox.results().items():
            self._end(number, result)

    def _end(self, number: int, result: TrialResult) -> None:
        with self._lock:
            found = self._outstanding.pop(number, None)
            self._mailbox.forget(number)
        if found is None:
            return
        if result.state == "preempted" and not found.n_epochs:
            # Or a trial whose epoch takes longer than a job would be begun again for ever.
            result = replace(result, state=TaskState.LOST)
        found.future.set_result(result)

    def _find_the_lost(self, taken: Mapping[int, str], states: Mapping[str, JobState]) -> None:
        came_up = self._mailbox.workers()
        for number, worker in taken.items():
            if number not in self._outstanding:
                continue
            state = states.get(_job_of(worker), VANISHED)
            queued_again = state.is_waiting or _later_self(worker) in came_up
            if state.is_over or queued_again:
                what = "was queued again" if queued_again else f"ended: {state}"
                reason = f"its job {_job_of(worker)} {what}"
                normal = queued_again or state.name in OUT_OF_TIME
                became = TaskState.PREEMPTED if normal else TaskState.LOST
                self._end(number, TrialResult(self._outstanding[number].task, became, reason))

    def _submit_jobs(self) -> None:
        """As many as there is work for; all at once, as an array."""
        n_missing = min(self.n_workers, len(self._outstanding)) - len(self._fleet.live)
        if n_missing <= 0:
            return
        try:
            submitted = self._jobs.submit(n_missing, work, self._sweep)
        except RuntimeError as error:
            self._bear_a_refusal(str(error))
            return
        self._refused_since = None
        self._fleet.live.update(dict.fromkeys(submitted, JobState("PENDING")))

    def _bear_a_refusal(self, reason: str) -> None:
        """Slurm may be away, or a limit of jobs be reached; not for ever without a single job."""
        now = time.monotonic()
        if self._refused_since is None:
            self._refused_since = now
            self._on_event(Notice("slurm", f"takes no job now ({_line(reason)}); trying again"))
        if not self._fleet.live and now - self._refused_since > self._sweep.patience:
            self._give_up(f"Slurm takes no jobs: {_line(reason)}")

    def _give_up(self, reason: str) -> None:
        self._hopeless = NoWorkers(reason)
        with self._lock:
            left = list(self._outstanding.values())
            for number in self._outstanding:
                self._mailbox.take_back(number)
            self._outstanding.clear()
        for found in left:
            found.future.set_exception(self._hopeless)

    def stop(self) -> None:
        self._over.set()
        self._thread.join(timeout=_STOP_SECONDS)
        self._mailbox.close()
        if not self._outstanding:  # idle workers need no signal to end
            wait_until_over(self._jobs.states, _END_SECONDS)
        self._jobs.cancel()
        gone = wait_until_over(self._jobs.states, _STOP_SECONDS)
        with contextlib.suppress(OSError):
            self._pass_on_events()  # the last words of a sweep that ended well
        if gone:
            self._clear_up()

    def _clear_up(self) -> None:
        if self._hopeless is None:
            self._record.remove()
        else:  # its logs are worth reading; the next sweep removes them
            replace(self._record, name="").write()


def _job_of(worker: str) -> str:
    return worker.rpartition("-")[0]


def _later_self(worker: str) -> str:
    """What the job's worker is called once Slurm has queued the job again."""
    job_id, _, restart = worker.rpartition("-")
    return f"{job_id}-{int(restart) + 1}"


def _line(text: str) -> str:
    return " ".join(text.split())
