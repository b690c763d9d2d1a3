"""One trial after another in the sweep's own process."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.execution import devices
from experiments.execution.devices import Device
from experiments.execution.engine import Request, Stores
from experiments.execution.messages import EpochDone, Event, Task, TaskState
from experiments.execution.serial import ENGINE, Serial
from tests.conftest import Workspace
from tests.execution.test_worker import SMALL, some_task
from tests.written import empty_database
from vae.errors import BadInput

BRIEF = SMALL.model_copy(update={"epochs": 2})


def request(device: str) -> Request:
    return Request(device, {}, Stores("x", "sqlite:///x.db", ""))


@pytest.fixture
def task(workspace: Workspace) -> Task:
    """In a database that has not to be made first, which takes MLflow seconds."""
    (workspace.folder / "mlflow.db").write_bytes(empty_database())
    return some_task(workspace, BRIEF)


def test_a_task_is_done_when_it_has_been_submitted(task: Task) -> None:
    events: list[Event] = []
    with ENGINE.open(request("cpu")) as opened:
        executor = opened.start(1, events.append, Path())
        result = executor.submit(task)
        assert result.done() and result.result().state is TaskState.FINISHED
    epochs = [event.epoch for event in events if isinstance(event, EpochDone)]
    assert epochs == [1, 2]


def test_a_display_that_fails_loses_no_trial(
    task: Task, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(event: Event) -> None:
        raise OSError("no terminal")

    result = Serial(broken).submit(task).result()
    assert result.state is TaskState.FINISHED
    assert capsys.readouterr().err.count("no terminal") == 1, "told once, not every epoch"


def test_it_computes_on_one_device(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = [Device("cuda:0", "0"), Device("cuda:1", "1")]
    monkeypatch.setattr(devices, "visible_gpus", lambda: gpus)
    with pytest.raises(BadInput, match="--engine serial computes on one"):
        ENGINE.open(request("cuda:0,cuda:1")).__enter__()
    for one in ("cuda:1", "cuda", "auto", "cpu"):
        with ENGINE.open(request(one)) as opened:
            assert opened.n_workers == ENGINE.n_workers(request(one)) == 1
    assert ENGINE.describe(request("cuda:1")) == "this process on cuda:1"
