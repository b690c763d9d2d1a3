"""What an engine is: where trials run, with options and checks of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.cli import non_negative_int, positive_int, positive_seconds

if TYPE_CHECKING:
    from experiments.execution.loop import Executor
    from experiments.execution.messages import Event


class NoWorkers(Exception):
    """An engine cannot start a single worker any more; what was finished is tracked."""


class TaskEnded(BaseException):
    """Raised between two epochs to end the task there; what was done is in its checkpoint."""


@dataclass(frozen=True)
class Option:
    """An option of one or more engines.

    Attributes:
        flag: as it is typed
        type: makes a value of the text
        default: what the engine gets where it is not given
    """

    flag: str
    metavar: str
    help: str
    type: Callable[[str], Any] = str
    default: Any = None

    @property
    def name(self) -> str:
        """As an argument of `experiments.run`."""
        return self.flag.removeprefix("--").replace("-", "_")


@dataclass(frozen=True)
class Stores:
    """Where a sweep's workers write.

    Attributes:
        optuna_storage: the parent process alone writes there; empty without a study
        checkpoints: the folder of the experiment's
    """

    experiment: str
    tracking_uri: str
    optuna_storage: str
    checkpoints: Path = Path("checkpoints")
    data_dir: Path = Path("data")


@dataclass(frozen=True)
class Request:
    """What a sweep wants of an engine.

    Attributes:
        device: as it was asked for, such as `auto`
        options: all of the engine's, by name
    """

    device: str
    options: Mapping[str, Any]
    stores: Stores


@dataclass(frozen=True)
class OpenEngine:
    """An engine that has been checked, and joined if it is a cluster.

    Attributes:
        n_workers: how many tasks are to be under way at once
        start: starts so many workers; they hold the lock, and what they tell goes to the function
    """

    n_workers: int
    start: Callable[[int, Callable[[Event], None], Path], Executor]


@dataclass(frozen=True)
class Engine:
    """A row of the table in `engines`.

    Attributes:
        summary: for --help
        options: those that it takes; one that is missing here is refused
        n_workers: how many tasks at once, as far as that can be told without joining anything
        describe: who does the work, for the plan; as far as that
        open: checks everything before anything is written (BadInput), and closes what it joined
    """

    summary: str
    options: tuple[Option, ...]
    n_workers: Callable[[Request], int]
    describe: Callable[[Request], str]
    open: Callable[[Request], AbstractContextManager[OpenEngine]]


WORKERS = Option("--workers", "N", "how many trials at once", positive_int)
RETRIES = Option(
    "--retries",
    "N",
    "how often a trial whose worker died goes on from its checkpoint",
    non_negative_int,
    default=2,
)
TIMEOUT = Option(
    "--timeout",
    "SECONDS",
    "that a trial may take, over all of its tasks and retries",
    positive_seconds,
)
