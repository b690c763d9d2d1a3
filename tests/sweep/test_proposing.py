"""Who proposes what a sweep does next."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.planning.snapshot import read_snapshot
from experiments.proposers.grid import Grid
from experiments.proposers.racing_grid import RacingGrid
from experiments.spec.experiment import load_experiment
from experiments.sweep.proposing import make_proposer
from experiments.tracking.writer import ExperimentWriter


@pytest.mark.parametrize(("racing", "kind", "n_left"), [(False, Grid, 10), (True, RacingGrid, 10)])
def test_a_grid_and_a_race_begin_with_all_that_may_run(
    racing: bool, kind: type, n_left: int, tmp_path: Path
) -> None:
    content = {"name": "tiny", "dataset": "mnist5k", "grid": {"lr": [1e-3, 1e-4]}, "seeds": 5}
    experiment = load_experiment({**content, "racing": racing})
    tracker = ExperimentWriter.create(f"sqlite:///{tmp_path}/mlflow.db", "tiny")
    snapshot = read_snapshot(tracker, experiment)
    results = snapshot.results(False)
    proposer = make_proposer(experiment, None, snapshot, results, tmp_path / "checkpoints")
    assert isinstance(proposer, kind)
    assert proposer.n_left == n_left
    assert proposer.left.keys() == {c.id for c in experiment.configurations}
