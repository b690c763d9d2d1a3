"""Who proposes what a sweep does next: a grid, a race or a study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from experiments.planning.checkpoint_files import find_checkpoints
from experiments.planning.plan import Plan, make_plan
from experiments.planning.results import Results
from experiments.planning.snapshot import Snapshot
from experiments.proposers.decisions import Proposer
from experiments.proposers.grid import Grid
from experiments.proposers.racing_grid import RacingGrid, hold_race
from experiments.spec.experiment import Experiment

if TYPE_CHECKING:
    from experiments.proposers.optuna_study import Study


def make_proposer(
    experiment: Experiment,
    study: Study | None,
    snapshot: Snapshot,
    results: Results,
    checkpoints: Path,
) -> Proposer:
    """Args:
    results: of what is tracked; a race that was decided already gives up its losers here
    checkpoints: the folder of this experiment's
    """
    if study and experiment.study:
        from experiments.proposers.search import Search  # Optuna takes its time to import

        is_race = bool(experiment.racing)
        return Search.resume(study, experiment.study, experiment.seeds, is_race, results)
    for configuration in experiment.configurations:
        results.ask_for(configuration, experiment.seeds)
    if experiment.racing:
        race = (results, experiment.seeds, experiment.metric, experiment.racing)
        hold_race(*race)
        return RacingGrid(*race)
    return Grid(plan_grid(experiment, snapshot, results, checkpoints).todo, results)


def plan_grid(
    experiment: Experiment, snapshot: Snapshot, results: Results, checkpoints: Path
) -> Plan:
    """What of a grid is done, and what is left."""
    resumable = find_checkpoints(checkpoints)
    return make_plan(experiment.trials(), results, snapshot.trials, resumable)
