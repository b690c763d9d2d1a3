"""The answer above the runs of an experiment, in MLflow's own pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mlflow import MlflowClient

from experiments.analysis.load import trials_of
from experiments.analysis.sources import open_sources
from experiments.reporting.description import BELOW, TAG, describe
from experiments.reporting.findings import answer
from experiments.tracking.long_tags import MOST_CHARACTERS
from tests.conftest import Workspace
from tests.reporting.test_report import frames
from tests.tracked import runs
from tests.written import write


@pytest.fixture
def tracked(workspace: Workspace) -> Workspace:
    write(workspace.folder)
    return workspace


def description(workspace: Workspace, text: str | None = None) -> str:
    """Of the experiment; written first, if there is a text."""
    client = MlflowClient(workspace.tracking_uri)
    experiment = client.get_experiment_by_name("tiny")
    assert experiment is not None
    if text is not None:
        client.set_experiment_tag(experiment.experiment_id, TAG, text)
    return str(client.get_experiment(experiment.experiment_id).tags.get(TAG, ""))


def test_it_is_the_answer_the_table_and_where_the_report_is(tracked: Workspace) -> None:
    assert tracked.run("analyze.py", "tiny").stderr == ""
    told = description(tracked)
    assert "**By test/nll, lr=0.001 has the best mean:" in told.replace("mlp3 sse none ", "")
    assert re.search(r"\| lr=0\.0005 +\| +2 \|", told)
    assert "report" not in told
    tracked.run("analyze.py", "tiny", "--out", "thesis")
    (report,) = runs(tracked.folder / "mlflow.db", "report")
    told = description(tracked)
    assert f"runs/{report.run_id}/artifacts)" in told
    assert f"`{tracked.folder / 'thesis' / 'report.html'}`" in told
    assert told.count(BELOW) == 1


def test_what_a_person_wrote_stays_above_it(tracked: Workspace) -> None:
    description(tracked, "For the paper, section 4.")
    for _ in range(2):
        assert tracked.run("analyze.py", "tiny", "--format", "csv").returncode == 0
    told = description(tracked)
    assert told.startswith("For the paper, section 4.\n\n" + BELOW)
    assert told.count("has the best mean") == 1


def test_several_experiments_describe_none_of_them(tracked: Workspace) -> None:
    write(tracked.folder, "more", seeds=[0])
    assert tracked.run("analyze.py", "tiny", "more").returncode == 0
    assert description(tracked) == ""


def test_one_that_cannot_be_written_is_a_warning(
    tracked: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(MlflowClient, "set_experiment_tag", full)
    done = tracked.run("analyze.py", "tiny")
    assert done.returncode == 0
    assert "has the best mean" in done.stdout
    assert "warning: the answer is not in the experiment's description: " in done.stderr
    assert done.stderr.count("\n") == 1


def test_it_is_cut_where_mlflow_would_cut_it_anywhere(tracked: Workspace) -> None:
    (source,) = open_sources("tiny", tracked.tracking_uri)
    trials = frames()[0]
    trials["encoder"] = trials["encoder"] + "-of-a-long-name" * 12
    many = describe(answer("x", trials), source.tracker, Path("thesis"))
    assert len(many) <= MOST_CHARACTERS
    assert "… and " in many
    few = answer("tiny", trials_of([source]))
    for room in (300, 0):
        assert len(describe(few, source.tracker, None, room)) <= room
