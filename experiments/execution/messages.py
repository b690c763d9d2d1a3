"""What the parent process and its workers say to each other: plain values, no torch, no MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from experiments.spec.pictures import Pictures
from vae.components.user_code import Code
from vae.configuration import Trial


@dataclass(frozen=True)
class Task:
    """Advance one trial to an epoch. Asking for the last one finishes it.

    Attributes:
        label: what people call the trial
        run_id: its MLflow run, which exists
        until: the epoch to advance to, from wherever the checkpoint stands
        metric: what whoever asks wants to know before the last epoch: `return` or `val/nll`
        fresh: the run has just been made and is empty
        archive: put the kept model's weights into the run
        device: on which the process computes that does it
        checkpoint: the file of its checkpoint, which need not exist
        pictures: that the trial logs
        code: what of the user's own it executes, by digest
        data_path: the user's own file or folder of images, on the parent's machine
        diagnostics: log the dear ones, too
        device_label: what people call the device, where that is something else
        timeout: seconds that are left to its trial
        alone: nobody else is to compute on its device meanwhile
    """

    trial: Trial
    label: str
    run_id: str
    until: int
    metric: str
    fresh: bool
    archive: bool
    tracking_uri: str
    data_dir: str
    device: str
    checkpoint: Path
    pictures: Pictures = field(default_factory=Pictures)
    code: Mapping[str, Code] = field(default_factory=dict)
    data_path: Path | None = None
    diagnostics: bool = False
    device_label: str = ""
    timeout: float | None = None
    alone: bool = False


class TaskState(StrEnum):
    """What became of a task."""

    FINISHED = "finished"
    ADVANCED = "advanced"
    """To `until`, before its trial's last epoch."""
    FAILED = "failed"
    """It diverged, or raised an exception; its run says so already."""
    LOST = "lost"
    """Its worker died or took too long."""
    PREEMPTED = "preempted"
    """Its worker had to go, which is normal where it was."""
    OUT_OF_MEMORY = "out of memory"
    """Of its device's; its run does not say so yet."""
    STOPPED = "stopped"
    """A person has ended its trial."""
    UNTRACKED = "untracked"
    """The tracking store stayed away, or the disk is full."""


@dataclass(frozen=True)
class TrialResult:
    """What became of a task, and what it found.

    Attributes:
        error: why, in one line, where the state is not a success
        metrics: the final ones of a finished trial; of one that advanced, the one asked for
        seconds: that the worker spent on it, if it could still say
    """

    task: Task
    state: TaskState
    error: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None


@dataclass(frozen=True)
class EpochDone:
    """A worker's news, small enough for one atomic write to a pipe.

    Attributes:
        device: what people call it
    """

    worker: int
    label: str
    configuration_id: str
    epoch: int
    epochs: int
    metrics: Mapping[str, float]
    device: str = "cpu"


@dataclass(frozen=True)
class Notice:
    """Something to tell people."""

    label: str
    text: str


Event = EpochDone | Notice
