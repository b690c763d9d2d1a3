"""What runs in a job of Slurm: a worker that takes tasks as long as its time lasts."""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import threading
import time
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

from experiments.execution.engine import TaskEnded
from experiments.execution.locks import join_workers
from experiments.execution.mailbox import Mailbox
from experiments.execution.messages import EpochDone, Event, Task, TaskState, TrialResult
from experiments.execution.remote_worker import advance_remotely

_POLL_SECONDS = 0.5
_PULSE_SECONDS = 2.0
_IDLE_SECONDS = 60.0


class _TimeIsUp(BaseException):
    """The job is about to end; what its trial has done is in its checkpoint."""


@dataclass(frozen=True)
class Sweep:
    """What a job knows of the sweep that it works for.

    Attributes:
        mail: the folder of the mailbox
        patience: seconds without a sign of life after which the sweep counts as dead
        parent: its process, if that runs on the same machine
        lock: for workers on its machine, to be held for as long as they live
    """

    mail: Path
    patience: float
    parent: int | None = None
    lock: Path | None = None

    @property
    def parent_is_gone(self) -> bool:
        return self.parent is not None and not Path(f"/proc/{self.parent}").exists()


def work(sweep: Sweep) -> int:
    """Take tasks until there are none, the job's time is up, or the sweep is gone.

    Returns:
        how many tasks were done
    """
    import submitit

    time_is_up, sweep_lives = threading.Event(), threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        time_is_up.set()

    signal.signal(getattr(signal, f"SIG{submitit.JobEnvironment.USR_SIG}"), on_signal)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # submitit would let it pass
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the sweep, which cancels jobs
    if sweep.lock is not None:
        join_workers(sweep.lock)
    mailbox = Mailbox(sweep.mail)
    watch = functools.partial(_end_with_the_sweep, mailbox, sweep, sweep_lives)
    threading.Thread(target=watch, daemon=True).start()
    import experiments.execution.worker  # noqa: F401 - takes seconds, before there is work

    # A job that Slurm has queued again is another worker: the tasks of the first are lost.
    restart = os.environ.get("SLURM_RESTART_COUNT", "0")
    me = f"{submitit.JobEnvironment().job_id}-{restart}"
    mailbox.come_up(me)
    n_done, idle_since = 0, time.monotonic()
    while not time_is_up.is_set() and not mailbox.is_closed:
        # A job may have waited in the queue for longer than its sweep has lived.
        taken = mailbox.take(me) if sweep_lives.is_set() else None
        if taken is not None:
            number, task = taken
            mailbox.answer(number, _do(task, number, mailbox, me, time_is_up))
            n_done, idle_since = n_done + 1, time.monotonic()
        elif time.monotonic() - idle_since > _IDLE_SECONDS:
            break  # others wait for what the job has; once there is work, there will be jobs
        else:
            time_is_up.wait(_POLL_SECONDS)
    return n_done


def _do(
    task: Task, number: int, mailbox: Mailbox, me: str, time_is_up: threading.Event
) -> TrialResult:
    n_epochs = 0
    started = time.monotonic()

    def report(event: Event) -> None:
        nonlocal n_epochs
        if isinstance(event, EpochDone):  # process ids are of a node, this is of the cluster
            event = replace(event, worker=zlib.crc32(me.encode()))
            n_epochs += 1
        if not mailbox.is_taken(number, me):
            os._exit(1)  # the sweep gave this task up, and may have given it to somebody else
        with contextlib.suppress(OSError):  # what people are shown is no reason to fail a trial
            mailbox.tell(number, event)
        if isinstance(event, EpochDone) and mailbox.is_to_end(number):
            raise TaskEnded
        if n_epochs and time_is_up.is_set() and task_goes_on(event):
            raise _TimeIsUp  # the checkpoint was written just before

    def task_goes_on(event: Event) -> bool:
        return isinstance(event, EpochDone) and event.epoch < task.until

    def give_up() -> None:
        mailbox.answer(number, TrialResult(task, TaskState.LOST, "timed out", seconds=task.timeout))

    try:
        return advance_remotely(task, report, give_up)
    except TaskEnded:
        return TrialResult(task, TaskState.LOST, "ended between two epochs")
    except _TimeIsUp:
        reason = f"its job {me.rpartition('-')[0]} had no more time"
        return TrialResult(task, TaskState.PREEMPTED, reason, seconds=time.monotonic() - started)


def _end_with_the_sweep(mailbox: Mailbox, sweep: Sweep, sweep_lives: threading.Event) -> None:
    """A worker without a sweep would compute for nobody, and hold what others wait for."""
    pulse, changed = mailbox.pulse, time.monotonic()
    while True:
        if sweep.parent_is_gone or not mailbox.folder.exists():
            os._exit(1)
        time.sleep(_PULSE_SECONDS)
        if (now := mailbox.pulse) != pulse:
            pulse, changed = now, time.monotonic()
            sweep_lives.set()
        if time.monotonic() - changed > sweep.patience:
            os._exit(1)
