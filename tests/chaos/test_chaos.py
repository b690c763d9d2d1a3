"""After any number of kills: the runs, the metrics and the bits of an undisturbed sweep."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest

from tests.chaos.chaos import N_EPOCHS, N_TRIALS, SWEEP, Siege, more_seeds
from tests.conftest import Workspace
from tests.servers import MlflowServer
from tests.tracked import CLOCK, numbers, runs

ARGUMENTS = ["--workers", "2", "--retries", "1000"]


def besiege(workspace: Workspace, n_kills: int, seed: int, *arguments: str) -> Siege:
    workspace.write(SWEEP, "chaos.yaml")
    siege = Siege(workspace, [*ARGUMENTS, *arguments], n_kills, seed, more_seeds)
    siege.run()
    assert sum(siege.killed.values()) == n_kills
    return siege


def check_against_undisturbed(workspace: Workspace, folder: Path, database: Path) -> None:
    """Every promise of the contract, held against a sweep that nobody disturbed."""
    text = (workspace.folder / "chaos.yaml").read_text()
    n_trials = N_TRIALS // 3 * int(re.search(r"seeds: (\d+)", text)[1])  # type: ignore[index]
    undisturbed = Workspace(folder)
    undisturbed.write(text, "chaos.yaml")
    done = undisturbed.run("sweep.py", "chaos.yaml", "--workers", "2")
    assert done.returncode == 0, done.stderr

    expected = numbers(folder / "mlflow.db")
    assert len(expected) == n_trials
    assert numbers(database) == expected
    assert means(database) == means(folder / "mlflow.db")

    tracked = runs(database)
    assert [run.name for run in tracked if run.status == "RUNNING"] == []
    trials = [run for run in tracked if run.tags["kind"] == "trial"]
    finished = [run for run in trials if run.status == "FINISHED"]
    assert len(finished) == len({run.tags["trial_id"] for run in trials}) == n_trials
    for run in finished:
        assert run.tags["completed"] == "true"
        assert len(run.params) == len(finished[0].params)
        for key in CLOCK:
            assert [step for step, _ in run.metrics[key]] == list(range(1, N_EPOCHS + 1))


def means(database: Path) -> dict[str, dict[str, object]]:
    """What the configuration runs show at last, and every point of their curves.

    The step of an aggregate says how many seeds had finished when it last changed: in a run that
    took another's place, `n_expected` has the step at which that was.
    """
    return {
        run.tags["configuration_id"]: {
            key: dict(points) if key == "val/return.mean" else points[-1][1]
            for key, points in run.metrics.items()
        }
        for run in runs(database, "configuration")
    }


def check_nothing_left(checkpoints: Path) -> None:
    assert list(checkpoints.iterdir()) == []


def check_pictures(artifacts: Path, database: Path) -> None:
    """Every picture once: nothing doubled by a repeated epoch, nothing lost."""
    for run in runs(database, "trial"):
        folder = artifacts / run.run_id / "artifacts" / "images"
        pictures = sorted(p.name.split("+timestamp")[0] for p in folder.glob("*.webp"))
        assert pictures == [f"{k}+step+{e}" for k in ("reconstructions", "samples") for e in (2, 4)]


def check_archives(folder: Path, undisturbed: Path) -> None:
    """Every trial's model, whole, and to the last byte the undisturbed one."""
    contents = [archives(root) for root in (folder, undisturbed)]
    assert contents[0].keys() == numbers(undisturbed / "mlflow.db").keys()
    assert contents[0] == contents[1]


def archives(root: Path) -> dict[str, dict[str, bytes]]:
    """By trial_id, the content of the archive's files."""
    return {
        run.tags["trial_id"]: {
            path.name: path.read_bytes()
            for path in (
                root / "mlartifacts" / "chaos" / run.run_id / "artifacts" / "checkpoint"
            ).iterdir()
        }
        for run in runs(root / "mlflow.db", "trial")
        if run.status == "FINISHED"
    }


@pytest.mark.parametrize(
    "n_kills",
    [pytest.param(8, id="8-kills"), pytest.param(200, id="200-kills", marks=pytest.mark.slow)],
)
def test_a_sweep_under_sigkill(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory, n_kills: int
) -> None:
    seed = int(os.environ.get("CHAOS_SEED", "20261122"))
    siege = besiege(workspace, n_kills, seed)
    print(f"killed {siege.killed} over {siege.n_starts} starts")
    undisturbed = tmp_path_factory.mktemp("undisturbed")
    check_against_undisturbed(workspace, undisturbed, workspace.folder / "mlflow.db")
    check_nothing_left(workspace.folder / "checkpoints" / "chaos")
    check_pictures(workspace.folder / "mlartifacts" / "chaos", workspace.folder / "mlflow.db")
    check_archives(workspace.folder, undisturbed)


def test_a_tracking_server_that_dies_and_comes_back(
    workspace: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Killed three times in the middle of a sweep, away for seconds: it costs time, not data."""
    server = MlflowServer(tmp_path_factory.mktemp("server"))
    server.start()
    try:
        workspace.write(SWEEP, "chaos.yaml")
        log = workspace.folder / "log.txt"
        with log.open("w") as output:
            arguments = ["--tracking-uri", server.uri, "--workers", "2"]
            sweep = workspace.start("sweep.py", "chaos.yaml", *arguments, log=output)
            for n_finished in (3, 9, 16):
                wait_until(
                    lambda n=n_finished: log.read_text().count("finished,") >= n,  # type: ignore[misc]
                    sweep,
                )
                server.kill()
                server.start()
            sweep.wait(timeout=300)
        print(log.read_text())
        assert sweep.returncode == 0
    finally:
        server.kill()
    undisturbed = tmp_path_factory.mktemp("undisturbed")
    check_against_undisturbed(workspace, undisturbed, server.database)
    check_nothing_left(workspace.folder / "checkpoints" / "chaos")


def wait_until(condition: Callable[[], bool], sweep: Popen[str]) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert sweep.poll() is None, "the sweep ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.02)
