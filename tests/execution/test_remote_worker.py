"""What a worker on another machine does besides its task."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.execution import worker
from experiments.execution.messages import Task, TaskState, TrialResult
from experiments.execution.remote_worker import advance_remotely
from tests.conftest import REPOSITORY, environment
from tests.generated import noise, write_npz
from vae.configuration import Configuration, Trial
from vae.resolution import check_named

TRIAL = Trial(configuration=Configuration(dataset="mnist5k"), seed=0)


def nothing(*_: object) -> None: ...


def a_task(folder: Path, trial: Trial) -> Task:
    return Task(
        trial, "label", "run", 4, "return", fresh=True, archive=False, tracking_uri="",
        data_dir=str(folder / "data"), device="cpu", checkpoint=folder / "c.pt",
    )  # fmt: skip


def test_data_that_this_machine_lacks_may_be_on_another(tmp_path: Path) -> None:
    """So it is the worker that is lost, not the trial that has failed."""
    path = write_npz(tmp_path / "faces.npz", {"images": noise(40, 8, 8)})
    faces = check_named("dataset", str(path))
    path.unlink()
    configuration = Configuration(
        dataset=faces.value, digests={"dataset": faces.digest}, val_size=10
    )
    task = a_task(tmp_path, Trial(configuration=configuration, seed=0))
    result = advance_remotely(replace(task, data_path=path), nothing, nothing)
    assert result.state is TaskState.LOST
    assert "faces.npz" in result.error and "(on " in result.error


@pytest.mark.parametrize("timeout", [None, 30.0])
def test_within_its_time_nothing_is_said_and_no_alarm_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, timeout: float | None
) -> None:
    said: list[bool] = []
    task = replace(a_task(tmp_path, TRIAL), timeout=timeout)
    monkeypatch.setattr(worker, "advance", lambda t, _: TrialResult(t, TaskState.FINISHED))
    result = advance_remotely(task, nothing, lambda: said.append(True))
    assert result.state is TaskState.FINISHED and said == []
    alarms = [t for t in threading.enumerate() if isinstance(t, threading.Timer)]
    assert not [alarm for alarm in alarms if not alarm.finished.is_set()]


@pytest.mark.processes
def test_a_trial_that_takes_too_long_ends_its_process_after_saying_so(tmp_path: Path) -> None:
    """Even where it cannot be interrupted."""
    code = (
        "import time\nfrom experiments.execution.remote_worker import _at_most\n"
        "with _at_most(0.2, lambda: print('too long', flush=True)):\n    time.sleep(60)\n"
    )
    around = environment() | {"PYTHONPATH": str(REPOSITORY)}
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", code], env=around, cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (1, "too long\n")
    assert time.monotonic() - started < 55, "it did not sleep to its end"
