"""What workers on pretended GPUs do in the place of a trial: say where they are."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from experiments.execution.messages import Task, TaskState, TrialResult


def say_where(task: Task) -> TrialResult:
    """The error tells the process, the GPU that it sees, and what the task says of the device.

    A label may ask for more: `die`, `sleep`, or `hungry`, which runs out of memory beside others.
    """
    if task.label == "die" and task.fresh:
        os.kill(os.getpid(), signal.SIGKILL)
    if task.label == "sleep":
        time.sleep(1)
    if task.label == "hungry" and not task.alone:
        return TrialResult(task, TaskState.OUT_OF_MEMORY, f"out of memory on {task.device_label}")
    n_others = _count_others(task) if task.label == "hungry" else 0
    visible = os.environ["CUDA_VISIBLE_DEVICES"]
    said = f"{os.getpid()} {visible or '-'} {task.device} {task.device_label} {n_others}"
    return TrialResult(task, TaskState.FINISHED, said, {"return": 0.0, "best_epoch": 1.0})


def mark_and_sleep(task: Task) -> TrialResult:
    """As `say_where`; meanwhile a file says that somebody computes on the device."""
    mark = Path(task.data_dir) / f"{task.device_label}-{task.run_id}"
    if task.label == "hungry":
        return say_where(task)
    mark.touch()
    time.sleep(0.5)
    mark.unlink()
    return say_where(task)


def mark_and_wait(task: Task) -> TrialResult:
    """As `say_where`, once a file says so; meanwhile another tells the process."""
    if task.label != "x" and not task.label.isdecimal():
        return say_where(task)
    mark = Path(task.data_dir) / f"{task.device_label}-{task.run_id}"
    mark.write_text(str(os.getpid()))
    while not mark.with_name(f"{mark.name}.go").exists():
        time.sleep(0.01)
    return say_where(task)


def nothing(*_: object) -> None: ...


def _count_others(task: Task) -> int:
    return len(list(Path(task.data_dir).glob(f"{task.device_label}-*")))
