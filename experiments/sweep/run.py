"""A sweep from its plan to its last trial: the parent process's side of it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from experiments.cli import EXIT_INTERRUPTED, check_can_be_made
from experiments.execution.engine import OpenEngine
from experiments.execution.engines import ENGINES
from experiments.execution.locks import lock_folder, sole_sweep
from experiments.execution.loop import drive
from experiments.execution.messages import EpochDone, Event, Task, TrialResult
from experiments.planning.estimate import Estimate
from experiments.planning.plan import Plan, make_plan
from experiments.planning.snapshot import read_snapshot
from experiments.proposers.grid import Grid
from experiments.proposers.racing_grid import RacingGrid, leave_out_the_lost, why_lost
from experiments.spec.experiment import Experiment
from experiments.spec.search_space import StudyPlan
from experiments.spec.shard import take_part
from experiments.sweep.configuration_runs import ConfigurationRuns
from experiments.sweep.options import Options
from experiments.sweep.outcome import Outcome
from experiments.sweep.progress import Display, display
from experiments.sweep.retention import Archiving
from experiments.sweep.trial_runs import Places, TrialRuns
from experiments.tracking.errors import TrackingLost, TrackingRefused
from experiments.tracking.run_record import OVER
from experiments.tracking.study_summary import TAG
from experiments.tracking.uris import (
    check_reachable,
    check_storage,
    checkpoint_folder,
    optuna_storage,
)
from experiments.tracking.writer import ExperimentWriter
from vae import datasets
from vae.configuration import Trial
from vae.errors import BadInput

if TYPE_CHECKING:
    from experiments.proposers.optuna_study import Study
    from experiments.proposers.search import Search


def run_sweep(experiment: Experiment, options: Options) -> Outcome:
    """Run what is not done yet.

    Raises:
        BadInput: before anything is written.
    """
    check_reachable(options.tracking_uri)
    _check(experiment, options)
    archiving = Archiving.of(experiment, options.archive)  # the same for every shard of it
    with ENGINES[options.engine].open(options.request(experiment)) as engine:
        return _run(take_part(experiment, options.shard), options, archiving, engine)


def _check(experiment: Experiment, options: Options) -> None:
    if experiment.study and options.optuna_storage:
        check_storage(options.optuna_storage)
    if experiment.study and options.retry_failed:
        raise BadInput("--retry-failed: what a study was told stays; raise its `trials` instead")


def _run(
    experiment: Experiment, options: Options, archiving: Archiving, engine: OpenEngine
) -> Outcome:
    for name in sorted(experiment.datasets):
        datasets.DATASETS[name].prepare(options.data_dir)
    ExperimentWriter.find(options.tracking_uri, experiment.name)  # complains if it was deleted
    folder = checkpoint_folder(experiment.name, options.tracking_uri, options.checkpoint_dir)
    check_can_be_made("--checkpoint-dir", folder)
    locks = lock_folder(options.tracking_uri, experiment.name)
    with sole_sweep(locks, options.shard) as workers_lock:
        study = _open_study(experiment, experiment.study, options) if experiment.study else None
        sweep = _Sweep(experiment, options, folder, archiving, study, engine)
        interruption = sweep.run(workers_lock) if sweep.proposer.left.total() else ""
        return sweep.outcome(interruption)


def _open_study(experiment: Experiment, plan: StudyPlan, options: Options) -> Study:
    from experiments.proposers.optuna_study import Study  # Optuna takes its time to import

    storage = options.optuna_storage or optuna_storage(options.tracking_uri)
    return Study(experiment.study_name, plan, storage)


class _Sweep:
    """A sweep that has the experiment to itself, and is shown and timed while it runs."""

    def __init__(
        self,
        experiment: Experiment,
        options: Options,
        checkpoints: Path,
        archiving: Archiving,
        study: Study | None,
        engine: OpenEngine,
    ) -> None:
        self._experiment = experiment
        self._options = options
        self._checkpoints = checkpoints
        self._tracker = ExperimentWriter.create(options.tracking_uri, experiment.name)
        self._snapshot = read_snapshot(self._tracker, experiment)
        self._configuration_runs = ConfigurationRuns(
            experiment, self._tracker, self._snapshot, archiving
        )
        places = Places(str(options.data_dir.absolute()), checkpoints, options.device)
        self._trial_runs = TrialRuns(
            experiment, self._tracker, places, self._configuration_runs, archiving.writes
        )
        self._estimate = Estimate(experiment.configurations)
        self._estimate.learn_from(self._snapshot.trials.values())
        self._last_estimate: float | None = None
        self._estimate_anew_at = 0.0
        self._study = study
        self.plan = self._plan(experiment.trials())
        self._engine = engine
        self._n_workers = engine.n_workers
        if study and experiment.study:
            self._shown: Display = display(self._n_workers)
            self.proposer: Grid | RacingGrid | Search = self._search(study, experiment.study)
        else:
            self.proposer = self._grid()
            self._n_workers = min(self._n_workers, max(1, len(self.plan.todo)))
            self._shown = display(self._n_workers)

    def _plan(self, trials: Iterable[Trial]) -> Plan:
        retry_failed = self._options.retry_failed
        return make_plan(trials, self._snapshot.trials, self._checkpoints, retry_failed)

    def _grid(self) -> Grid | RacingGrid:
        experiment, lost = self._experiment, dict[str, str]()
        if experiment.racing:
            self.plan, race_state = leave_out_the_lost(
                self.plan, experiment.seeds, experiment.metric
            )
            lost = {c: why_lost(n, experiment.metric) for c, n in race_state.lost.items()}
        todo = {planned.trial.id for planned in self.plan.todo}
        settled = {planned.trial.id for planned in self.plan.trials} - todo
        _tidy_up(self._checkpoints, settled, todo)
        for configuration in experiment.configurations:
            trials = self.plan.by_configuration[configuration.id]
            self._configuration_runs.open(configuration, trials, lost.get(configuration.id, ""))
        if experiment.racing:
            return RacingGrid(self.plan, experiment.seeds, experiment.metric, self._trial_runs)
        return Grid(self.plan, self._trial_runs)

    def _search(self, study: Study, plan: StudyPlan) -> Search:
        from experiments.proposers.search import Search  # Optuna takes its time to import

        tracked = self._snapshot.trials
        settled = {i for i, record in tracked.items() if record.state in OVER}
        _tidy_up(self._checkpoints, settled, todo=tracked.keys() - settled)
        return Search(
            study,
            plan,
            self._experiment.seeds,
            self._experiment.racing,
            self._trial_runs,
            self._configuration_runs,
            self._plan,
            self._snapshot.finished,
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
        executor = self._engine.start(self._n_workers, self._on_event, workers_lock)
        try:
            drive(self, executor, self._options.retries)
        finally:
            executor.stop()

    def ask(self) -> Task | None:
        """What the grid or the study wants done next."""
        task = self.proposer.ask()
        if task is not None:
            self._estimate.know(task.trial.configuration)
        return task

    def tell(self, result: TrialResult) -> None:
        """Pass on what became of it, and show it."""
        result = self.proposer.tell(result)
        if result.state != "advanced":
            self._shown.on_result(result, self.proposer.left.total(), self._seconds_left())

    def _seconds_left(self) -> float | None:
        """Estimated once a second: it takes the longer the more configurations there are."""
        now = time.monotonic()
        if now >= self._estimate_anew_at:
            self._last_estimate = self._estimate.seconds(self.proposer.left, self._n_workers)
            self._estimate_anew_at = now + 1
        return self._last_estimate

    def _on_event(self, event: Event) -> None:
        if isinstance(event, EpochDone):
            self._estimate.learn(event.configuration_id, event.metrics["epoch_seconds"])
        self._shown.on_event(event)

    def outcome(self, interruption: str) -> Outcome:
        before = Counter(planned.state for planned in self.plan.trials if not planned.todo)
        study_summary = None
        if self._study:
            before = Counter(record.state for record in self._snapshot.trials.values())
            study_summary = self._study.study_summary()
            with contextlib.suppress(TrackingLost):  # then the outcome says so already
                self._tracker.tag_experiment(TAG, study_summary.to_json())
        results = self._trial_runs.results
        return Outcome(
            n_before=before["done"] + before["finished"],
            n_finished=results["finished"],
            n_failed=results["failed"] + before["failed"],
            n_pruned=results["pruned"] + before["pruned"],
            n_left=self.proposer.left.total(),
            study_summary=study_summary,
            interruption=interruption,
        )


def _tidy_up(checkpoints: Path, settled: Collection[str], todo: Collection[str]) -> None:
    """Remove what a killed sweep left: checkpoints of trials that are over, half-written ones.

    Args:
        settled, todo: trial_ids; those of other shards are in neither
    """
    for path in checkpoints.glob("*.pt"):
        if path.stem in settled:
            path.unlink()
    for path in checkpoints.glob("*.tmp"):  # the lock says that nobody is writing
        trial_id = path.name.partition(".")[0]
        if trial_id in settled or trial_id in todo:
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
