"""A sweep from its plan to its last trial: the parent process's side of it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from experiments import execution
from experiments.configuration_runs import ConfigurationRuns
from experiments.grid import Grid
from experiments.hiring import hired
from experiments.locks import Shard, sole_sweep
from experiments.planning import (
    Estimate,
    Plan,
    checkpoint_folder,
    make_plan,
    optuna_storage,
    take_part,
)
from experiments.progress import Display, display
from experiments.racing import RacingGrid, leave_out_the_lost, why_lost
from experiments.search_space import StudyPlan
from experiments.specification import Experiment
from experiments.standing import TAG, Standing
from experiments.stock import take_stock
from experiments.tracking import TrackingLost, TrackingRefused
from experiments.tracking.addresses import check_reachable, check_storage, sqlite_path
from experiments.tracking.tracker import Tracker
from experiments.trial_runs import Places, TrialRuns
from experiments.work import EpochDone, Event, Share, TrialResult, Work
from vae import datasets
from vae.configuration import Trial
from vae.errors import BadInput

if TYPE_CHECKING:
    from experiments.search import Search
    from experiments.studies import Study

EXIT_OK, EXIT_FAILED, EXIT_INTERRUPTED = 0, 1, 130


@dataclass(frozen=True)
class Options:
    """How and where a sweep runs; none of it alters a number."""

    tracking_uri: str
    data_dir: Path
    checkpoint_dir: Path | None
    device: str
    engine: str
    workers: int | None
    retries: int
    timeout: float | None
    retry_failed: bool
    shard: Shard
    optuna_storage: str | None
    ray_address: str
    cpus_per_trial: int
    gpus_per_trial: float

    @property
    def share(self) -> Share:
        return Share(self.cpus_per_trial, self.gpus_per_trial)


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended: of its trials, how many were done before and what became of the rest."""

    n_before: int
    n_finished: int
    n_failed: int
    n_pruned: int
    n_left: int
    standing: Standing | None
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
        if self.n_pruned:
            counts.append(f"{self.n_pruned} given up")
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
    if experiment.study and options.optuna_storage:
        check_storage(options.optuna_storage)
    _check_device(options)
    with hired(options, experiment) as n_workers:
        return _run(take_part(experiment, options.shard), replace(options, workers=n_workers))


def _run(experiment: Experiment, options: Options) -> Outcome:
    for name in sorted(experiment.datasets):
        datasets.DATASETS[name].prepare(options.data_dir)
    Tracker.find(options.tracking_uri, experiment.name)  # complains if it was deleted
    folder = checkpoint_folder(experiment.name, options.tracking_uri, options.checkpoint_dir)
    _check_can_be_made(folder)
    with sole_sweep(
        _lock_name(options.tracking_uri, experiment.name), options.shard
    ) as workers_lock:
        sweep = _Sweep(experiment, options, folder)
        trouble = sweep.run(workers_lock) if sweep.proposer.left.total() else ""
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
    """A sweep that has the experiment to itself, and is shown and timed while it runs."""

    def __init__(self, experiment: Experiment, options: Options, checkpoints: Path) -> None:
        self._experiment = experiment
        self._options = options
        self._checkpoints = checkpoints
        self._tracker = Tracker.create(options.tracking_uri, experiment.name)
        self._stock = take_stock(self._tracker, experiment)
        self._configuration_runs = ConfigurationRuns(experiment, self._tracker, self._stock)
        places = Places(str(options.data_dir.absolute()), checkpoints, options.device)
        self._trial_runs = TrialRuns(experiment, self._tracker, places, self._configuration_runs)
        self._estimate = Estimate(experiment.configurations)
        self._estimate.learn_from(self._stock.trials.values())
        self._study: Study | None = None
        self.plan = self._plan(experiment.trials())
        self._n_workers = options.workers or 1
        if experiment.study:
            self._shown: Display = display(self._n_workers)
            self.proposer: Grid | RacingGrid | Search = self._search(experiment.study)
        else:
            self.proposer = self._grid()
            self._n_workers = min(self._n_workers, max(1, len(self.plan.todo)))
            self._shown = display(self._n_workers)

    def _plan(self, trials: Iterable[Trial]) -> Plan:
        retry_failed = self._options.retry_failed
        return make_plan(trials, self._stock.trials, self._checkpoints, retry_failed)

    def _grid(self) -> Grid | RacingGrid:
        experiment, lost = self._experiment, dict[str, str]()
        if experiment.racing:
            self.plan, standings = leave_out_the_lost(
                self.plan, experiment.seeds, experiment.metric
            )
            lost = {c: why_lost(n, experiment.metric) for c, n in standings.lost.items()}
        _tidy_up(self.plan, self._checkpoints)
        for configuration in experiment.configurations:
            trials = self.plan.by_configuration[configuration.id]
            self._configuration_runs.open(configuration, trials, lost.get(configuration.id, ""))
        if experiment.racing:
            return RacingGrid(self.plan, experiment.seeds, experiment.metric, self._trial_runs)
        return Grid(self.plan, self._trial_runs)

    def _search(self, plan: StudyPlan) -> Search:
        from experiments.search import Search  # Optuna takes its time to import
        from experiments.studies import Study

        experiment = self._experiment
        name = f"{experiment.name} {plan.digest(experiment.seeds, experiment.racing)}"
        storage = self._options.optuna_storage or optuna_storage(self._options.tracking_uri)
        self._study = Study(name, plan, storage)
        return Search(
            self._study,
            plan,
            experiment.seeds,
            experiment.racing,
            self._trial_runs,
            self._configuration_runs,
            self._plan,
            self._stock.finished,
            self._shown.on_event,
        )

    def run(self, workers_lock: Path) -> str:
        """Returns what kept the sweep from its end, if anything did."""
        with self._shown, _interruptible():
            try:
                self._drive(workers_lock)
            except KeyboardInterrupt:
                self._trial_runs.interrupt()
                return "interrupted"
            except TrackingLost as error:
                with contextlib.suppress(TrackingLost, TrackingRefused):  # it may be gone, or not
                    self._trial_runs.interrupt()
                return f"tracking had to stop: {error}"
        return ""

    def _drive(self, workers_lock: Path) -> None:
        engine = execution.start(
            self._options.engine,
            self._n_workers,
            self._on_event,
            workers_lock,
            self._options.timeout,
            self._options.share,
        )
        try:
            execution.drive(self, engine, self._options.retries)
        finally:
            engine.stop()

    def ask(self) -> Work | None:
        """What the grid or the study wants done next."""
        work = self.proposer.ask()
        if work is not None:
            self._estimate.know(work.trial.configuration)
        return work

    def tell(self, result: TrialResult) -> None:
        """Pass on what became of it, and show it."""
        result = self.proposer.tell(result)
        if result.state != "advanced":
            left = self.proposer.left
            seconds = self._estimate.seconds(left, self._n_workers)
            self._shown.on_result(result, left.total(), seconds)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, EpochDone):
            self._estimate.learn(event.configuration_id, event.metrics["epoch_seconds"])
        self._shown.on_event(event)

    def outcome(self, trouble: str) -> Outcome:
        states = Counter(planned.state for planned in self.plan.trials if not planned.todo)
        n_before = states["done"] + states["pruned"]
        standing = None
        if self._study:
            n_before = sum(len(seeds) for seeds in self._stock.finished.values())
            standing = self._study.standing()
            with contextlib.suppress(TrackingLost):  # then the outcome says so already
                self._tracker.tag_experiment(TAG, standing.to_json())
        results = self._trial_runs.results
        return Outcome(
            n_before=n_before,
            n_finished=results["finished"],
            n_failed=results["failed"] + states["failed"],
            n_pruned=results["pruned"],
            n_left=self.proposer.left.total(),
            standing=standing,
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


def _check_device(options: Options) -> None:
    """`auto` is for each worker to find out; importing torch here would delay every sweep."""
    if options.device == "cuda" and options.engine == "ray":
        if not options.gpus_per_trial:  # the nodes have them, this machine need not
            raise BadInput("--device cuda: with --engine ray, say --gpus-per-trial")
    elif options.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise BadInput("--device cuda: torch finds no CUDA device; use --device cpu")
