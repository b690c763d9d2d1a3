"""Workers belong to a GPU for their life: real spawned processes on pretended GPUs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest

from experiments.execution import processes
from experiments.execution.devices import CPU, Device, spread
from experiments.execution.engine import Request, Stores
from experiments.execution.engines import options_of
from experiments.execution.loop import drive
from experiments.execution.messages import Task, TaskState, TrialResult
from experiments.execution.processes import Processes
from tests.execution.test_loop import task as some_task
from tests.pretended import mark_and_sleep, mark_and_wait, nothing, say_where
from vae.configuration import Trial
from vae.errors import BadInput

pytestmark = pytest.mark.processes

TWO_GPUS = [Device("cuda:0", "3"), Device("cuda:1", "GPU-5")]


@contextlib.contextmanager
def processes_on(
    devices: list[Device], lock: Path, do: Callable[[Task], TrialResult]
) -> Iterator[Processes]:
    """Real spawned processes that do something else than a trial."""
    with (
        mock.patch.object(processes, "advance_in_worker", do),
        mock.patch.object(processes, "warm_up", nothing),  # torch would take seconds
    ):
        engine = Processes(devices, print, lock)
        try:
            yield engine
        finally:
            engine.stop()


class Told:
    """Asks for tasks with these labels; knows what came of them."""

    def __init__(self, folder: Path, *labels: str) -> None:
        self._tasks = [
            replace(some_task(i), label=label, data_dir=str(folder))
            for i, label in enumerate(labels)
        ]
        self.results: dict[str, TrialResult] = {}

    def ask(self) -> Task | None:
        return self._tasks.pop(0) if self._tasks else None

    def tell(self, result: TrialResult) -> None:
        self.results[result.task.run_id] = result

    def is_stopped(self, trial: Trial) -> bool:
        return False


def test_a_worker_sees_its_own_gpu_alone(tmp_path: Path) -> None:
    told = Told(tmp_path, *["sleep"] * 8)
    with processes_on(spread(TWO_GPUS, 4), tmp_path / "lock", say_where) as engine:
        assert engine.n_free == 4
        drive(told, engine, retries=0)
    said = {tuple(result.error.split()[:4]) for result in told.results.values()}
    assert len({pid for pid, *_ in said}) == 4
    where = sorted(tuple(rest) for _, *rest in said)
    assert where == [("3", "cuda", "cuda:0")] * 2 + [("GPU-5", "cuda", "cuda:1")] * 2


def test_a_worker_on_the_processor_sees_no_gpu(tmp_path: Path) -> None:
    told = Told(tmp_path, "x")
    with processes_on([CPU], tmp_path / "lock", say_where) as engine:
        drive(told, engine, retries=0)
    assert told.results["0"].error.split()[1:4] == ["-", "cpu", "cpu"]


def test_a_worker_that_dies_is_replaced_on_its_device(tmp_path: Path) -> None:
    told = Told(tmp_path, "die", "sleep", "sleep", "sleep", "sleep")
    with processes_on(TWO_GPUS, tmp_path / "lock", say_where) as engine:
        drive(told, engine, retries=1)
    assert {result.state for result in told.results.values()} == {"finished"}
    pids: dict[str, set[str]] = {}
    for result in told.results.values():
        pid, visible, *_ = result.error.split()
        pids.setdefault(visible, set()).add(pid)
    assert set(pids) == {"3", "GPU-5"}
    assert sum(len(found) for found in pids.values()) == 2


def test_out_of_memory_is_tried_again_with_the_gpu_for_itself(tmp_path: Path) -> None:
    """The other worker of its GPU waits; that of the other GPU does not."""
    told = Told(tmp_path, "x", "hungry", *["x"] * 6)
    devices = [TWO_GPUS[0], TWO_GPUS[0], TWO_GPUS[1]]
    with processes_on(devices, tmp_path / "lock", mark_and_sleep) as engine:
        assert engine.can_isolate
        drive(told, engine, retries=0)
        assert engine.n_free == 3
    assert {result.state for result in told.results.values()} == {"finished"}
    assert told.results["1"].error.split()[2:] == ["cuda", "cuda:0", "0"]


def test_the_process_of_a_task_that_is_ended_is_dead_and_another_takes_its_place(
    tmp_path: Path,
) -> None:
    with processes_on([CPU], tmp_path / "lock", mark_and_wait) as engine:
        future = engine.submit(replace(some_task(0), data_dir=str(tmp_path)))
        mark = tmp_path / "cpu-0"
        while not mark.exists():
            time.sleep(0.01)
        engine.end(lambda trial: False)
        assert not future.done()
        engine.end(lambda trial: True)
        with pytest.raises(futures.CancelledError):
            future.result(timeout=30)
        assert not Path(f"/proc/{mark.read_text()}").exists(), "it writes to the run no more"
        assert engine.n_free == 1
        engine.end(lambda trial: True)  # nothing is under way
        again = engine.submit(replace(some_task(1), data_dir=str(tmp_path), label="quick"))
        assert again.result(timeout=60).state == TaskState.FINISHED


def test_what_waits_for_its_gpu_to_be_free_is_ended_without_being_begun(tmp_path: Path) -> None:
    gpu = TWO_GPUS[0]
    other = Trial(configuration=some_task(0).trial.configuration, seed=9)
    with processes_on([gpu, gpu], tmp_path / "lock", mark_and_wait) as engine:
        hungry = replace(some_task(0), label="hungry", data_dir=str(tmp_path), trial=other)
        assert engine.submit(hungry).result(timeout=60).state == TaskState.OUT_OF_MEMORY
        running = engine.submit(replace(some_task(1), data_dir=str(tmp_path)))
        waiting = engine.submit(replace(hungry, alone=True))
        engine.end(lambda trial: trial == other)
        with pytest.raises(futures.CancelledError):
            waiting.result(timeout=30)
        assert not running.done()
        (tmp_path / "cuda:0-1.go").touch()
        assert running.result(timeout=30).state == TaskState.FINISHED
        assert engine.n_free == 2, "its GPU is open again"


def test_alone_on_its_gpu_out_of_memory_is_the_reason_of_the_failure(tmp_path: Path) -> None:
    told = Told(tmp_path, "hungry")
    with processes_on(TWO_GPUS, tmp_path / "lock", say_where) as engine:
        assert not engine.can_isolate
        drive(told, engine, retries=2)
    assert told.results["0"].error == "out of memory on cuda:0"
    assert told.results["0"].state == TaskState.LOST


@pytest.mark.parametrize(
    ("arguments", "n_workers", "described"),
    [
        ({}, 4, "4 processes on cuda:0, cuda:1"),
        ({"workers_per_device": 1}, 2, "2 processes on cuda:0, cuda:1"),
        ({"workers_per_device": 20}, 16, "16 processes on cuda:0, cuda:1"),
        ({"workers": 1}, 1, "1 process on cuda:0"),
        ({"workers": 40}, 40, "40 processes on cuda:0, cuda:1"),
    ],
)
def test_how_many_workers_there_are(
    arguments: dict[str, int], n_workers: int, described: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.execution.devices.visible_gpus", lambda: TWO_GPUS)
    monkeypatch.setattr(processes, "cpu_cores", lambda: 16)
    wanted = Request("auto", options_of("processes", arguments), Stores("x", "", ""))
    assert processes.ENGINE.n_workers(wanted) == n_workers
    assert processes.ENGINE.describe(wanted) == described


def test_workers_per_device_is_refused_where_it_means_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = options_of("processes", {"workers_per_device": 2})
    with pytest.raises(BadInput, match="no GPU is used here; give --workers"):
        processes.ENGINE.n_workers(Request("cpu", options, Stores("x", "", "")))
    monkeypatch.setattr("experiments.execution.devices.visible_gpus", lambda: TWO_GPUS)
    both = options_of("processes", {"workers_per_device": 2, "workers": 2})
    with pytest.raises(BadInput, match="not both"):
        processes.ENGINE.n_workers(Request("auto", both, Stores("x", "", "")))
