"""Trials that a person stops, a budget that ends, and SIGKILL: nothing is lost, nothing revived."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
from dataclasses import dataclass, field

import pytest
from mlflow import MlflowClient

from experiments.cli import EXIT_INTERRUPTED
from tests.chaos.chaos import Siege, more_seeds
from tests.conftest import Workspace
from tests.tracked import TrackedRun, numbers, runs

pytestmark = pytest.mark.slow

SWEEP = """
name: chaos
dataset: mnist5k
grid: {encoder: [mlp1, mlp3], loss: [sse, bce], lr: [1e-3, 2e-3]}
seeds: 2
fixed: {epochs: 6, hidden_dim: 16, latent_dim: 2, batch_size: 100, nll_images: 100}
pictures: {every: 0}
"""
N_CONFIGURATIONS, N_KILLS, N_STOPPED = 8, 20, 6
BUDGETS = (15, 40, 120)
"""Seconds; some end in the middle of starting up."""


@dataclass
class Person:
    """Stops a trial or a configuration now and then, and watches that it stays so.

    Attributes:
        tagged: the run_ids that were stopped
        ended: how many epochs the run of a trial had when it was ended, by run_id
    """

    workspace: Workspace
    seed: int
    tagged: set[str] = field(default_factory=set)
    ended: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    @property
    def _runs(self) -> list[TrackedRun]:
        database = self.workspace.folder / "mlflow.db"
        return runs(database) if database.exists() else []

    def look(self) -> None:
        """While no sweep runs: nothing that was stopped has gone on."""
        for run in self._runs:
            n_epochs = len(run.metrics["val/return"])
            assert self.ended.get(run.run_id, n_epochs) == n_epochs, f"{run.name} was revived"
            if run.tags.get("pruned.reason") == "stopped by hand":
                self.ended[run.run_id] = n_epochs
        self._stop_something()
        for run in self._runs:  # no sweep is there that might not have seen it yet
            if self.tagged & {run.run_id, run.tags.get("mlflow.parentRunId")}:
                self.ended[run.run_id] = len(run.metrics["val/return"])

    def _stop_something(self) -> None:
        kind = self._random.choice(["trial", "trial", "configuration"])
        going_on = [r for r in self._runs if r.tags["kind"] == kind and r.status != "FINISHED"]
        if going_on and len(self.tagged) < N_STOPPED and self._random.random() < 0.3:
            run = self._random.choice(going_on)
            client = MlflowClient(tracking_uri=self.workspace.tracking_uri)
            client.set_tag(run.run_id, "stop", "true")
            self.tagged.add(run.run_id)
            print(f"stopped {run.name} ({kind})")

    def interfere(self) -> None:
        """While a sweep runs."""
        self._stop_something()


@dataclass
class SiegeOfBudgets(Siege):
    """One whose sweeps may also run out of time, and in which a person interferes."""

    person: Person | None = None
    n_out_of_time: int = 0

    def _one_sweep(self) -> tuple[int, str]:
        assert self.person is not None
        self.person.look()
        self.arguments[-1] = f"{self._random.choice(BUDGETS)}s"
        code, said = super()._one_sweep()
        if code == EXIT_INTERRUPTED:  # nothing else than a kill in which the sweep has a last word
            assert re.search(r"out of time; .*\d left.* To go on from here", said), said
            self.n_out_of_time += 1
            code = -signal.SIGKILL
        return code, said

    def _strike(self, sweep: subprocess.Popen[str]) -> None:
        assert self.person is not None
        self.person.interfere()
        super()._strike(sweep)


def test_twenty_kills(workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> None:
    seed = int(os.environ.get("CHAOS_SEED", "20261125"))
    workspace.write(SWEEP, "chaos.yaml")
    person = Person(workspace, seed)
    arguments = ["--workers", "2", "--retries", "1000", "--time-budget", ""]
    siege = SiegeOfBudgets(workspace, arguments, N_KILLS, seed, more_seeds, person=person)
    siege.run()
    person.look()
    print(f"killed {siege.killed} over {siege.n_starts} starts, {siege.n_out_of_time} out of time")
    assert len(person.tagged) > 1 and person.ended

    database = workspace.folder / "mlflow.db"
    undisturbed = Workspace(tmp_path_factory.mktemp("undisturbed"))
    undisturbed.write((workspace.folder / "chaos.yaml").read_text(), "chaos.yaml")
    assert undisturbed.run("sweep.py", "chaos.yaml", "--workers", "2").returncode == 0
    expected, found = numbers(undisturbed.folder / "mlflow.db"), numbers(database)
    assert found == {trial_id: expected[trial_id] for trial_id in found}, "to the last bit"
    n_seeds = len(expected) // N_CONFIGURATIONS
    check_only_what_was_stopped_is_absent(runs(database), person.tagged, n_seeds)
    assert not list((workspace.folder / "checkpoints" / "chaos").iterdir())


def check_only_what_was_stopped_is_absent(
    tracked: list[TrackedRun], tagged: set[str], n_seeds: int
) -> None:
    """Everybody else has finished; what did not finish says why; nothing is doubled."""
    trials = [run for run in tracked if run.tags["kind"] == "trial"]
    assert len({run.tags["trial_id"] for run in trials}) == len(trials)
    for run in trials:
        steps = [step for step, _ in run.metrics["val/return"]]
        assert steps == list(range(1, len(steps) + 1))
        if run.status != "FINISHED":
            assert (run.status, run.tags["pruned.reason"]) == ("KILLED", "stopped by hand")
            assert tagged & {run.run_id, run.tags["mlflow.parentRunId"]}
    for run in tracked:
        if run.tags["kind"] == "configuration" and run.run_id not in tagged:
            children = [t for t in trials if t.tags["mlflow.parentRunId"] == run.run_id]
            assert len(children) == n_seeds, "nothing is missing"
            all_finished = {child.status for child in children} == {"FINISHED"}
            assert run.status == ("FINISHED" if all_finished else "KILLED")
