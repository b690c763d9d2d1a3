"""A race from its file to its report, with real trials."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments import load_trials, replay_race
from tests.conftest import Workspace
from tests.tracked import runs

RACE = """
name: race
dataset: mnist5k
grid: {lr: [1e-2, 1e-3, 1e-5, 1e-6, 1e-7, 1e-8]}
racing: true
seeds: 4
fixed: {loss: bce, epochs: 2, hidden_dim: 16, latent_dim: 2, batch_size: 250}
pictures: {every: 0}
"""


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("raced"))
    workspace.write(RACE, "race.yaml")
    done = workspace.run("sweep.py", "race.yaml", "--workers", "2")
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1].startswith("12 trials finished, 10 pruned, 2 not needed")
    return workspace


def test_who_has_lost_gets_no_more_seeds(raced: Workspace) -> None:
    trials = load_trials("race", raced.tracking_uri)
    states = trials.groupby("lr")["state"].agg(list).to_dict()
    assert states.pop(1e-2) == ["finished", "finished"], "alone, it needs no more seeds"
    assert len(states) == 5
    for of_seeds in states.values():
        assert of_seeds == ["finished", "finished", "pruned", "pruned"]
    why = set(trials.loc[trials["state"] == "pruned", "error"])
    assert why == {"lost the race after 2 seeds: worse in return than the best"}
    for run in runs(raced.folder / "mlflow.db", "configuration"):
        lost = run.params["lr"] != "0.01"
        assert run.status == ("KILLED" if lost else "FINISHED")
        assert (run.tags.get("pruned") == "true") == lost
        assert json.loads(run.tags["seeds"]) == ([0, 1, 2, 3] if lost else [0, 1])
        assert run.metrics["n_expected"][-1][1] == (4 if lost else 2)


def test_asked_again_nothing_runs_and_everybody_is_told(raced: Workspace) -> None:
    again = raced.run("sweep.py", "race.yaml")
    assert again.returncode == 0
    told = again.stderr.splitlines()[-1]
    assert told.startswith("0 trials finished, 12 already finished, 10 pruned, 2 not needed")
    plan = raced.run("sweep.py", "race.yaml", "--dry-run").stdout
    assert "24 trials: 12 finished, 10 pruned, 2 not needed" in plan
    assert "to run: 0 trials" in plan
    told = " ".join(raced.run("analyze.py", "race").stdout.split())
    assert "lr=0.01 has the best mean" in told
    assert "Pruned on the way: lr=0.001, lr=1e-05, lr=1e-06, lr=1e-07 and 1 more." in told
    assert "pruned: lr=1e-06 s2-3: lost the race after 2 seeds" in told


def test_another_sweep_may_ask_for_what_a_race_pruned(tmp_path: Path) -> None:
    copy = Workspace(tmp_path)
    copy.write(RACE, "race.yaml")
    assert copy.run("sweep.py", "race.yaml", "--engine", "serial").returncode == 0
    copy.write(RACE.replace("racing: true", "racing: false"), "race.yaml")
    done = copy.run("sweep.py", "race.yaml", "--engine", "serial")
    assert done.returncode == 0
    assert done.stderr.splitlines()[-1].startswith("12 trials finished, 12 already finished")
    trials = load_trials("race", copy.tracking_uri)
    assert set(trials["state"]) == {"finished"}
    for run in runs(copy.folder / "mlflow.db", "configuration"):
        assert (run.status, "pruned" in run.tags) == ("FINISHED", False)
        assert run.metrics["n_finished"][-1][1] == 4
        assert dict(run.metrics["val/return.mean"]).keys() == {1, 2}
        assert json.loads(run.tags["seeds"]) == [0, 1, 2, 3]


def test_a_race_on_trials_that_have_run_tells_what_it_would_have_saved(
    raced: Workspace, tmp_path: Path
) -> None:
    full = Workspace(tmp_path)
    full.write(RACE.replace("racing: true", "racing: false"), "race.yaml")
    assert full.run("sweep.py", "race.yaml", "--workers", "2").returncode == 0
    replayed = replay_race(load_trials("race", full.tracking_uri), "return")
    held = load_trials("race", raced.tracking_uri)
    counts = held[held["state"] == "finished"].groupby("configuration_id").size()
    assert replayed.set_index("configuration_id")["n_seeds"].to_dict() == counts.to_dict()
    assert sorted(replayed["verdict"]) == ["best"] + ["lost"] * 5
