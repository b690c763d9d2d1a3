"""A sweep from its plan to its last trial: the parent process's side of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from experiments import execution
from experiments.grid import Grid, Places
from experiments.planning import make_plan
from experiments.progress import display
from experiments.specification import Experiment
from experiments.tracking.addresses import check_reachable, safe_name, sqlite_path
from experiments.tracking.records import by_trial
from experiments.tracking.tracker import Tracker
from experiments.work import TrialResult, Work
from vae import datasets
from vae.errors import BadInput

EXIT_OK, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130


@dataclass(frozen=True)
class Options:
    """How and where a sweep runs; none of it alters a number."""

    tracking_uri: str
    data_dir: Path
    checkpoint_dir: Path | None = None
    device: str = "cpu"
    engine: str = "processes"
    workers: int | None = None
    retries: int = 2
    timeout: float | None = None
    retry_failed: bool = False

    @property
    def checkpoints(self) -> Path:
        """By default next to the tracking store."""
        if self.checkpoint_dir is not None:
            return self.checkpoint_dir
        database = sqlite_path(self.tracking_uri)
        return (database.parent if database else Path.cwd()) / "checkpoints"


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended: of its trials, how many were done before and what became of the rest."""

    n_before: int
    n_finished: int
    n_failed: int
    n_left: int
    exit_code: int
    trouble: str = ""

    def closing_line(self, command: str, experiment: str) -> str:
        """What is left to say when the sweep is over."""
        counts = [f"{self.n_finished} trials finished"]
        if self.n_before:
            counts.append(f"{self.n_before} had been before")
        if self.n_failed:
            counts.append(f"{self.n_failed} FAILED")
        if self.n_left:
            counts.append(f"{self.n_left} left")
        told = ", ".join(counts)
        if self.trouble:
            return f"{self.trouble}; {told}. To go on from here: {command}"
        return f"{told}. To compare: python analyze.py {experiment}"


def run_sweep(experiment: Experiment, options: Options) -> Outcome:
    """Run what is not done yet.

    Raises:
        BadInput: before anything is written.
    """
    check_reachable(options.tracking_uri)
    _check_device(options.device)
    for name in sorted({c.dataset for c in experiment.configurations}):
        datasets.DATASETS[name].prepare(options.data_dir)
    tracker = Tracker.create(options.tracking_uri, experiment.name)
    plan = make_plan(experiment, by_trial(tracker.records("trial")), options.retry_failed)
    places = Places(
        data_dir=str(options.data_dir.absolute()),
        checkpoint_dir=options.checkpoints / safe_name(experiment.name),
        device=options.device,
    )
    grid = Grid(experiment, plan, tracker, places)
    exit_code, trouble = _run(grid, len(plan.todo), options) if plan.todo else (EXIT_OK, "")
    n_failed_before = sum(states["failed"] for states in plan.states.values())
    n_trials = len(experiment.configurations) * len(experiment.seeds)
    n_told = grid.results.total()
    n_failed = grid.results["failed"] + (0 if options.retry_failed else n_failed_before)
    return Outcome(
        n_before=n_trials - len(plan.todo) - n_failed_before * (not options.retry_failed),
        n_finished=grid.results["finished"],
        n_failed=n_failed,
        n_left=len(plan.todo) - n_told,
        exit_code=exit_code or (EXIT_FAILED if n_failed else EXIT_OK),
        trouble=trouble,
    )


def _run(grid: Grid, n_trials: int, options: Options) -> tuple[int, str]:
    """Returns exit code and trouble, if the sweep did not get to its end."""
    n_workers = min(options.workers or os.cpu_count() or 1, n_trials)
    with display(n_trials, n_workers) as shown, _interruptible():
        engine = execution.start(options.engine, n_workers, options.timeout, shown.on_event)
        try:
            execution.drive(_Watched(grid, shown.on_result), engine, options.retries)
        except KeyboardInterrupt:
            engine.stop()
            grid.interrupt()
            return EXIT_INTERRUPTED, "interrupted"
        except execution.TrackingGaveUp as error:
            return EXIT_FAILED, f"the tracking store is gone: {error}"
        finally:
            engine.stop()
    return EXIT_OK, ""


@dataclass
class _Watched:
    """A grid whose results are also shown."""

    grid: Grid
    on_result: Callable[[TrialResult], None]

    def ask(self) -> Work | None:
        return self.grid.ask()

    def tell(self, result: TrialResult) -> None:
        self.grid.tell(result)
        self.on_result(result)


@contextmanager
def _interruptible() -> Iterator[None]:
    """SIGTERM is a Ctrl-C; the second of either ends the process at once."""

    def on_signal(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, _exit_at_once)
        signal.signal(signal.SIGTERM, _exit_at_once)
        raise KeyboardInterrupt

    previous = {n: signal.signal(n, on_signal) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _exit_at_once(number: int, frame: FrameType | None) -> None:
    os._exit(EXIT_INTERRUPTED)


def _check_device(wanted: str) -> None:
    """`auto` is for each worker to find out; importing torch here would delay every sweep."""
    if wanted == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise BadInput("--device cuda: torch finds no CUDA device; use --device cpu")
