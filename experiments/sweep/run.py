"""A sweep from its plan to its last trial: the parent process's side of it."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.cli import check_can_be_made, typed_command
from experiments.execution.engine import NoWorkers, OpenEngine
from experiments.execution.locks import lock_folder, sole_sweep
from experiments.execution.loop import drive
from experiments.execution.messages import EpochDone, Event, Notice, TrialResult
from experiments.planning.changed_code import changed_code
from experiments.planning.checkpoint_files import tidy_up
from experiments.planning.lessons import Lessons
from experiments.planning.snapshot import Snapshot, read_snapshot
from experiments.proposers.budget import WithinBudget
from experiments.proposers.decisions import Proposer
from experiments.spec.experiment import Experiment
from experiments.spec.search_space import StudyPlan
from experiments.spec.shard import take_part
from experiments.sweep.configuration_runs import ConfigurationRuns
from experiments.sweep.interruption import OutOfTime, interruptible
from experiments.sweep.opening import Opened, opened
from experiments.sweep.options import Options
from experiments.sweep.outcome import Outcome
from experiments.sweep.progress import counting_images, display
from experiments.sweep.proposing import make_proposer, plan_grid
from experiments.sweep.retention import Archiving
from experiments.sweep.stopping import StopWatch
from experiments.sweep.study_stores import (
    StoreCheck,
    check_stores,
    lessons_left,
    open_study,
)
from experiments.sweep.tasks import Tasks
from experiments.sweep.time_left import TimeLeft
from experiments.sweep.trial_runs import Places, TrialRuns
from experiments.tracking.errors import TrackingLost, TrackingRefused
from experiments.tracking.provenance import provenance
from experiments.tracking.run_record import OVER, STOPPED
from experiments.tracking.shared_view import offer, sorted_by, where_to_look
from experiments.tracking.study_summary import TAG
from experiments.tracking.uris import checkpoint_folder
from experiments.tracking.writer import ExperimentWriter
from vae.components import user_code
from vae.data import decoded

if TYPE_CHECKING:
    from experiments.proposers.optuna_study import Study


def run_sweep(experiment: Experiment, options: Options) -> Outcome:
    """Run what is not done yet.

    Raises:
        BadInput: before anything is written.
    """
    with opened(experiment, options) as found:
        return run_opened(experiment, options, found)


def run_opened(experiment: Experiment, options: Options, found: Opened) -> Outcome:
    """Run what is not done yet with an engine that is open.

    Raises:
        BadInput: before anything is written.
    """
    archiving = Archiving.of(experiment, options.archive)  # the same for every shard of it
    part = take_part(experiment, options.shard)
    return _run(part, options, archiving, found.engine, found.deadline)


def _run(
    experiment: Experiment,
    options: Options,
    archiving: Archiving,
    engine: OpenEngine,
    deadline: float | None,
) -> Outcome:
    storage, lessons = options.study_storage, list[Lessons]()
    if experiment.study:
        lessons = lessons_left(experiment, experiment.study, options.tracking_uri, storage)
    for component in sorted(experiment.datasets, key=lambda component: component.value):
        with counting_images() as on_progress:
            decoded.prepare(component, options.data_dir, on_progress=on_progress)
    for note in experiment.notes:
        print(note, file=sys.stderr)
    ExperimentWriter.find(options.tracking_uri, experiment.name)  # complains if it was deleted
    folder = checkpoint_folder(experiment.name, options.tracking_uri, options.checkpoint_dir)
    check_can_be_made("--checkpoint-dir", folder)
    places = Places(str(options.data_dir.absolute()), folder, options.device)
    locks = lock_folder(options.tracking_uri, experiment.name)
    with sole_sweep(locks, options.shard) as workers_lock:
        study = None
        if experiment.study:
            study = open_study(experiment, experiment.study, storage, lessons)
        tracker = ExperimentWriter.create(options.tracking_uri, experiment.name)
        snapshot = read_snapshot(tracker, experiment)
        sweep = _Sweep(experiment, options, places, archiving, tracker, snapshot, study, engine)
        return sweep.run(workers_lock, deadline)


class _Sweep:
    """A sweep that has the experiment to itself, and is shown and timed while it runs."""

    def __init__(
        self,
        experiment: Experiment,
        options: Options,
        places: Places,
        archiving: Archiving,
        tracker: ExperimentWriter,
        snapshot: Snapshot,
        study: Study | None,
        engine: OpenEngine,
    ) -> None:
        self._experiment = experiment
        self._options = options
        self._checkpoints = places.checkpoint_dir
        self._tracker = tracker
        self._snapshot = snapshot
        self._study = study
        self._results = snapshot.results(options.retry_failed)
        self._proposer = make_proposer(
            experiment, study, snapshot, self._results, self._checkpoints
        )
        self._stores = self._check_stores(study, experiment.study)
        self._engine = engine
        self._n_workers = engine.n_workers
        if not study:
            self._n_workers = min(self._n_workers, max(1, self._proposer.n_left))
        self._shown = display(self._n_workers)
        self._time_left = TimeLeft(
            experiment, snapshot.trials.values(), self._results, self._n_workers
        )
        self._deadline: float | None = None
        self._stop_watch = StopWatch(tracker.stops, snapshot.stops)
        self._configuration_runs = ConfigurationRuns(
            experiment, tracker, snapshot.configurations, archiving
        )
        self._trial_runs = self._open_trial_runs(places, archiving)
        self._tasks = Tasks(
            experiment,
            self._within_budget() if options.time_budget else self._proposer,
            self._results,
            self._trial_runs,
            self._configuration_runs,
            self._shown.on_event,
            self._on_result,
            self._stop_watch.is_stopped,
        )

    def _open_trial_runs(self, places: Places, archiving: Archiving) -> TrialRuns:
        experiment = self._experiment
        used = user_code.known_of(component.digest for component in experiment.components)
        code = provenance(typed_command(), used.values())
        records = self._snapshot.trials
        return TrialRuns(experiment, self._tracker, places, records, code, archiving.writes)

    def _check_stores(self, study: Study | None, plan: StudyPlan | None) -> StoreCheck | None:
        if study is None or plan is None:
            return None
        runs, outcomes = self._snapshot.configurations, self._snapshot.outcomes
        storage = self._options.study_storage
        return check_stores(self._experiment, plan, study, storage, runs, outcomes)

    def _within_budget(self) -> Proposer:
        return WithinBudget(
            self._proposer,
            self._time_left.seconds_of,
            lambda: (self._deadline or math.inf) - time.monotonic(),
            most_held=self._n_workers if self._study else None,
        )

    def run(self, workers_lock: Path, deadline: float | None) -> Outcome:
        """Run what is left, until then."""
        self._deadline = deadline
        for kind, change in changed_code(self._experiment, self._snapshot.trials.values()):
            self._shown.on_event(Notice(kind, change))
        for remark in self._remarks():
            self._shown.on_event(Notice("study", remark))
        interruption = ""
        with interruptible(deadline) as strikes:
            try:
                with strikes.as_themselves():
                    self._begin_and_drive(workers_lock)
            except KeyboardInterrupt as interrupt:
                self._tasks.interrupt()
                out_of_time = isinstance(interrupt, OutOfTime)
                interruption = "out of time" if out_of_time else "interrupted"
            except NoWorkers as error:
                self._tasks.interrupt()
                interruption = f"no worker can be started: {error}"
            except TrackingLost as error:
                with contextlib.suppress(TrackingLost, TrackingRefused):  # it may be gone, or not
                    self._tasks.interrupt()
                interruption = f"tracking had to stop: {error}"
        return self._outcome(interruption)

    def _remarks(self) -> list[str]:
        """On what the study has learned, and on what its two stores lack."""
        learned = self._study.learned_from.values() if self._study else ()
        return [*learned, *(self._stores.remarks if self._stores else ())]

    def _begin_and_drive(self, workers_lock: Path) -> None:
        self._begin()
        if self._tasks.any():
            with self._shown:
                self._drive(workers_lock)

    def _begin(self) -> None:
        """Clear up what a killed sweep left, and open the runs of a grid, the missing ones too."""
        records = self._snapshot.trials
        stopped = self._snapshot.stopped
        offer(self._tracker, by=sorted_by(self._experiment))
        if self._study:
            todo = {i for i, record in records.items() if record.state not in OVER} - stopped.keys()
            settled = records.keys() - todo
        else:
            plan = plan_grid(self._experiment, self._snapshot, self._results, self._checkpoints)
            todo = {trial.id for trial in plan.todo}
            settled = {planned.trial.id for planned in plan.trials} - todo
        run_ids = {i: record.run_id for i, record in records.items()}
        tidy_up(
            self._checkpoints,
            {run_ids[i] for i in settled & run_ids.keys()} | self._snapshot.deleted,
            {run_ids[i] for i in todo & run_ids.keys()},
        )
        for trial_id in settled & stopped.keys():  # those of other shards are in neither
            self._trial_runs.prune_run(run_ids[trial_id], STOPPED)
        for configuration in self._experiment.configurations:
            self._configuration_runs.open(self._results[configuration.id])

    def _drive(self, workers_lock: Path) -> None:
        executor = self._engine.start(self._n_workers, self._on_event, workers_lock)
        try:
            with self._stop_watch.ending_tasks_of(executor):
                drive(self._tasks, executor, self._options.retries, self._options.timeout)
        except TrackingRefused as error:  # a right was withdrawn, the experiment deleted
            raise TrackingLost(f"the tracking store refuses to go on: {error}") from error
        finally:
            executor.stop()

    def _on_result(self, result: TrialResult) -> None:
        seconds_left = self._time_left.seconds(self._proposer.left)
        self._shown.on_result(result, self._proposer.n_left, seconds_left)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, EpochDone):
            self._time_left.learn(event)
        self._shown.on_event(event)

    def _outcome(self, interruption: str) -> Outcome:
        study_summary, page = None, ""
        if self._study:
            n_not_tracked = len(self._stores.not_tracked) if self._stores else 0
            study_summary = replace(self._study.study_summary(), n_not_tracked=n_not_tracked)
        with contextlib.suppress(TrackingLost, TrackingRefused):  # the outcome says so already
            if study_summary:
                self._tracker.tag_experiment(TAG, study_summary.to_json())
            page = where_to_look(self._tracker)
        n_left = self._proposer.n_left
        if interruption == "out of time" and not n_left:  # it came at the very end
            interruption = ""
        seconds_left = None
        if interruption == "out of time":
            seconds_left = self._time_left.seconds_now(self._proposer.left)
        return Outcome(
            self._results.count(), n_left, study_summary, interruption, seconds_left, page
        )
