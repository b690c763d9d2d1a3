"""A sweep from its plan to its last trial: the parent process's side of it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from experiments import execution
from experiments.configuration_runs import ConfigurationRuns, finished_seeds
from experiments.grid import Grid, Places
from experiments.locks import Shard, sole_sweep
from experiments.planning import Estimate, Plan, all_done, checkpoint_folder, make_plan, take_part
from experiments.progress import Display, display
from experiments.specification import Experiment
from experiments.tracking import TrackingLost, TrackingRefused
from experiments.tracking.addresses import check_reachable, sqlite_path
from experiments.tracking.records import RunRecord, by_trial, finished_runs
from experiments.tracking.tracker import Tracker
from experiments.work import EpochDone, Event, TrialResult, Work
from vae import datasets
from vae.errors import BadInput

EXIT_OK, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130


@dataclass(frozen=True)
class Options:
    """How and where a sweep runs; none of it alters a number."""

    tracking_uri: str
    data_dir: Path
    checkpoint_dir: Path | None
    device: str
    engine: str
    workers: int
    retries: int
    timeout: float | None
    retry_failed: bool
    shard: Shard


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended: of its trials, how many were done before and what became of the rest."""

    n_before: int
    n_finished: int
    n_failed: int
    n_left: int
    trouble: str = ""

    @property
    def exit_code(self) -> int:
        if self.trouble:
            return EXIT_INTERRUPTED
        return EXIT_FAILED if self.n_failed else EXIT_OK

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
    experiment = take_part(experiment, options.shard)
    for name in sorted({c.dataset for c in experiment.configurations}):
        datasets.DATASETS[name].prepare(options.data_dir)
    Tracker.find(options.tracking_uri, experiment.name)  # complains if it was deleted
    folder = checkpoint_folder(experiment.name, options.tracking_uri, options.checkpoint_dir)
    _check_can_be_made(folder)
    with sole_sweep(
        _lock_name(options.tracking_uri, experiment.name), options.shard
    ) as workers_lock:
        sweep = _Sweep(experiment, options, folder)
        trouble = sweep.run(workers_lock) if sweep.plan.todo else ""
        return sweep.outcome(trouble)


def _check_can_be_made(folder: Path) -> None:
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise BadInput(f"--checkpoint-dir {folder}: cannot be written")


def _lock_name(tracking_uri: str, experiment: str) -> str:
    """What two sweeps must not hold at once, from wherever they are started."""
    database = sqlite_path(tracking_uri)
    return f"{database.resolve() if database else tracking_uri.rstrip('/')} {experiment}"


class _Sweep:
    """A sweep that has the experiment to itself: a grid that is shown and timed while it runs."""

    def __init__(self, experiment: Experiment, options: Options, checkpoints: Path) -> None:
        self._options = options
        tracker = Tracker.create(options.tracking_uri, experiment.name)
        configurations = tracker.only_configuration_runs()
        deleted = {record.run_id for record in tracker.records("trial", deleted=True)}
        tracked = all_done(experiment, configurations, deleted)
        if tracked is not None and tracker.any_trial_running():
            tracked = None  # something is left that has to be ended
        records: list[RunRecord] = []
        if tracked is None:
            records = tracker.records("trial")
            tracked = by_trial(records)
            tracker.end_doubles(records, tracked)
            finished = finished_seeds(tracked.values())
        else:
            finished = {
                configuration_id: {seed: (run_id, {}) for seed, run_id in finished_runs(r).items()}
                for configuration_id, r in configurations.items()
            }
        self.plan = make_plan(experiment, tracked, checkpoints, options.retry_failed)
        _tidy_up(self.plan, checkpoints)
        places = Places(str(options.data_dir.absolute()), checkpoints, options.device)
        means = ConfigurationRuns(experiment, self.plan, tracker, configurations, finished)
        self._grid = Grid(experiment, self.plan, tracker, places, means)
        self._estimate = Estimate(experiment.configurations)
        self._estimate.learn_from(records)
        self._n_workers = min(options.workers, max(1, len(self.plan.todo)))
        self._shown: Display = display(len(self.plan.todo), self._n_workers)

    def run(self, workers_lock: Path) -> str:
        """Returns what kept the sweep from its end, if anything did."""
        with self._shown, _interruptible():
            try:
                self._drive(workers_lock)
            except KeyboardInterrupt:
                self._grid.interrupt()
                return "interrupted"
            except TrackingLost as error:
                with contextlib.suppress(TrackingLost, TrackingRefused):  # it may be gone, or not
                    self._grid.interrupt()
                return f"tracking had to stop: {error}"
        return ""

    def _drive(self, workers_lock: Path) -> None:
        engine = execution.start(
            self._options.engine,
            self._n_workers,
            self._on_event,
            workers_lock,
            self._options.timeout,
        )
        try:
            execution.drive(self, engine, self._options.retries)
        finally:
            engine.stop()

    def ask(self) -> Work | None:
        return self._grid.ask()

    def tell(self, result: TrialResult) -> None:
        self._grid.tell(result)
        self._shown.on_result(result, self._estimate.seconds(self._grid.left, self._n_workers))

    def _on_event(self, event: Event) -> None:
        if isinstance(event, EpochDone):
            self._estimate.learn(event.configuration_id, event.metrics["epoch_seconds"])
        self._shown.on_event(event)

    def outcome(self, trouble: str) -> Outcome:
        n_told = self._grid.results.total()
        states = [planned.state for planned in self.plan.trials]
        failed_before = 0 if self._options.retry_failed else states.count("failed")
        return Outcome(
            n_before=states.count("done") + states.count("pruned"),
            n_finished=self._grid.results["finished"],
            n_failed=self._grid.results["failed"] + failed_before,
            n_left=len(self.plan.todo) - n_told,
            trouble=trouble,
        )


def _tidy_up(plan: Plan, checkpoints: Path) -> None:
    """Remove what a killed sweep left: checkpoints of trials that are done, half-written ones."""
    todo = {planned.trial.id for planned in plan.todo}
    settled = {planned.trial.id for planned in plan.trials} - todo
    for path in checkpoints.glob("*.pt"):
        if path.stem in settled:
            path.unlink()
    for path in checkpoints.glob("*.tmp"):  # the lock says that nobody is writing
        if path.name.partition(".")[0] in todo | settled:
            path.unlink()


@contextlib.contextmanager
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
