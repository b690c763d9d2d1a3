"""The link to MLflow's own page: what it asks for, and what a browser shows behind it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.tracking import shared_view
from experiments.tracking.reader import Reader
from experiments.tracking.shared_view import is_known, offer, view, where_to_look
from experiments.tracking.writer import ExperimentWriter
from tests.conftest import REPOSITORY, TINY, Workspace
from tests.reporting.test_report import CHROMIUM
from tests.servers import MlflowServer
from tests.written import RATES, write

ADDRESS = r"http://127\.0\.0\.1:5000/#/experiments/1/runs"
FILTER = 'tags.kind = "configuration"'


@pytest.mark.parametrize(
    ("version", "known"),
    [
        ("3.10.0", True), ("3.17.2", True), ("3.9.1", False), ("3.18.0", False),
        ("4.0.0rc1", False), ("3.x", False),
    ],
)  # fmt: skip
def test_versions_whose_format_is_known(version: str, known: bool) -> None:
    assert is_known(version) is known
    assert is_known(), "the installed one: what its page shows is tested below"


def test_the_best_configuration_is_first() -> None:
    by_return, by_nll = (json.loads(view(by)) for by in ("return", "nll"))
    assert (by_return["orderByKey"], by_return["orderByAsc"]) == ("metrics.`return.mean`", False)
    assert (by_nll["orderByKey"], by_nll["orderByAsc"]) == ("metrics.`nll.mean`", True)
    assert len(view("return")) < 5000, "the limit of a tag on an old server"


@pytest.mark.sweep
@pytest.mark.parametrize(
    ("axes", "by"), [("encoder=mlp1", "nll"), ("loss=sse", "return")]
)  # TINY varies both
def test_a_sweep_offers_the_view_and_prints_where_it_is(
    axes: str, by: str, workspace: Workspace
) -> None:
    workspace.write(TINY.replace("epochs: 2", "epochs: 1"))
    options = ["--engine", "serial", "--set", axes, "--seeds", "1"]
    done = workspace.run("sweep.py", "tiny.yaml", *options)
    line, _ = done.stderr.splitlines()[-2:]
    assert re.fullmatch(
        rf"In MLflow \(make ui\): {ADDRESS}\?viewStateShareKey=configurations", line
    )
    tracker = Reader.find(workspace.tracking_uri, "tiny")
    assert tracker is not None
    assert tracker.experiment_tag(shared_view.TAG) == view(by)


def test_where_the_format_is_not_known_the_filter_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = ExperimentWriter.create(write(tmp_path), "tiny")
    with monkeypatch.context() as patch:
        patch.setattr(shared_view, "is_known", lambda: False)
        offer(tracker, by="return")
        assert re.fullmatch(f"{ADDRESS} and there the filter {FILTER}", where_to_look(tracker))
    assert tracker.experiment_tag(shared_view.TAG) is None
    assert where_to_look(tracker).endswith(FILTER), "of an experiment that has no view yet"


@pytest.mark.processes
def test_make_ui_lists_the_answers(tmp_path: Path) -> None:
    def listed() -> str:
        done = subprocess.run(
            [sys.executable, "-m", "experiments.commands.pages"], cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    assert listed() == ""
    assert list(tmp_path.iterdir()) == [], "it makes no database"
    tracker = ExperimentWriter.create(write(tmp_path), "tiny")
    offer(tracker, by="return")
    assert listed() == f"tiny: {where_to_look(tracker)}\n"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the view on a real server, of three configurations with known means."""
    folder = tmp_path_factory.mktemp("page")
    tracker = ExperimentWriter.create(write(folder), "tiny")
    for i, run in enumerate(tracker.records("configuration")):
        means = {"return.mean": -100.5 - i, "return.ci95_low": -110, "return.ci95_high": -90}
        means |= {"nll.mean": 90.25 + i, "nll.ci95_low": 80, "nll.ci95_high": 100, "n_finished": 2}
        tracker.log_metrics(run.run_id, means, step=0)
        tracker.log_curve(run.run_id, "val/return.mean", [(1, -120 - i), (2, -100.5 - i)])
    offer(tracker, by="return")
    server = MlflowServer(folder, backend=tracker.uri)
    server.start()
    try:
        yield where_to_look(tracker).replace("http://127.0.0.1:5000", server.uri)
    finally:
        server.kill()


def dom(address: str, folder: Path) -> str:
    """What Chromium makes of a page, 1280 pixels wide."""
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", f"--user-data-dir={folder / 'profile'}", "--window-size=1280,1000",
            "--virtual-time-budget=60000", "--dump-dom", address,
        ],
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    return done.stdout


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
def test_the_table_behind_the_link(page: str, tmp_path: Path) -> None:
    """Configurations alone, the best first, with means, intervals and counts."""
    shown = dom(page, tmp_path)
    text = re.sub(r"<[^>]+>", " ", shown)
    assert "3 matching runs" in " ".join(text.split()), text[-3000:]
    assert "Error loading shared view" not in text
    assert "Sort: return.mean" in " ".join(text.split())
    heads = set(re.findall(r'col-id="[^"]*?`([^`]+)`"', shown))
    assert {"return.mean", "nll.mean", "n_finished"} <= heads, heads
    places = [text.index(f"lr={rate:g}") for rate in RATES]
    assert places == sorted(places), "by return.mean, the best first"
    assert "s0" not in re.findall(r"\S+", text), "no trial among them"


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
def test_the_chart_behind_the_link(page: str, tmp_path: Path) -> None:
    text = re.sub(r"<[^>]+>", " ", dom(f"{page}&compareRunsMode=CHART", tmp_path))
    assert re.search(r"Mean over the seeds\s*\( ?1 ?\)", text), text[-3000:]
    assert "val/return.mean" in text
