"""What the loop itself costs, with workers that are none."""

from __future__ import annotations

import math
import resource
import signal
import threading
import time
from collections import deque
from concurrent.futures import Future
from pathlib import Path

import pytest

from experiments.execution.loop import drive
from experiments.execution.messages import Task, TrialResult
from vae.configuration import Configuration, Trial

TRIAL = Trial(configuration=Configuration(dataset="mnist5k"), seed=0)


def task(number: int) -> Task:
    return Task(
        trial=TRIAL, label=str(number), run_id=str(number), until=1, metric="return", fresh=True,
        archive=False, tracking_uri="", data_dir="", device="cpu", checkpoint=Path(),
    )  # fmt: skip


class Crowd:
    """Virtual workers that do nothing: once all of them have work, the first one is done."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.lost: set[str] = set()
        self.most_running = 0
        self._running: deque[tuple[Task, Future[TrialResult]]] = deque()

    def submit(self, task: Task) -> Future[TrialResult]:
        future: Future[TrialResult] = Future()
        self._running.append((task, future))
        self.most_running = max(self.most_running, len(self._running))
        if len(self._running) == self.capacity:
            self.finish_one()
        return future

    def finish_one(self) -> None:
        if not self._running:
            return
        task, future = self._running.popleft()
        if task.run_id in self.lost and task.fresh:
            future.set_exception(ConnectionError("the node went away"))
        else:
            future.set_result(TrialResult(task, "finished"))

    def stop(self) -> None: ...


class Errands:
    """So many trials; when there are no more, the workers come to their ends."""

    def __init__(self, n_trials: int, crowd: Crowd) -> None:
        self._n_trials, self._crowd = n_trials, crowd
        self.n_asked, self.n_told = 0, 0
        self.told_lost: list[str] = []

    def ask(self) -> Task | None:
        if self.n_asked == self._n_trials:
            self._crowd.finish_one()
            return None
        self.n_asked += 1
        return task(self.n_asked)

    def tell(self, result: TrialResult) -> None:
        self.n_told += 1
        if result.state == "lost":
            self.told_lost.append(result.task.run_id)


def seconds(n_trials: int, n_workers: int) -> float:
    crowd = Crowd(n_workers)
    errands = Errands(n_trials, crowd)
    started = time.process_time()
    drive(errands, crowd, retries=2)
    taken = time.process_time() - started
    assert errands.n_told == n_trials
    assert crowd.most_running == n_workers
    return taken


def test_a_trial_costs_the_same_among_few_and_among_many() -> None:
    """1,000 workers, up to 100,000 trials; the fitted exponent, and the memory of the loop."""
    taken = {n: seconds(n, 1_000) for n in (10_000, 30_000)}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    taken[100_000] = seconds(100_000, 1_000)
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print({n: f"{s:.2f} s, {1e6 * s / n:.0f} µs a trial" for n, s in taken.items()})
    exponent = math.log(taken[100_000] / taken[10_000]) / math.log(10)
    few = seconds(30_000, 10)
    print(f"exponent {exponent:.2f}; 30,000 trials with 10 workers: {few:.2f} s; {grown_mb:.0f} MB")
    assert exponent <= 1.1
    assert taken[30_000] < 3 * few, "the number of workers does not matter"
    assert grown_mb < 20


def test_a_lost_worker_costs_a_retry_and_then_its_trial() -> None:
    crowd = Crowd(10)
    crowd.lost = {"3", "7"}
    errands = Errands(20, crowd)
    drive(errands, crowd, retries=1)
    assert (errands.n_told, errands.told_lost) == (20, [])
    errands = Errands(20, crowd)
    drive(errands, crowd, retries=0)
    assert (errands.n_told, errands.told_lost) == (20, ["3", "7"])


class Sleepers(Crowd):
    """Nobody is ever done; as soon as all have work, somebody presses Ctrl-C."""

    def finish_one(self) -> None:
        me = threading.main_thread().ident or 0
        threading.Timer(0.1, signal.pthread_kill, [me, signal.SIGINT]).start()


def test_ctrl_c_ends_the_wait() -> None:
    # Whoever starts tests in the background may have them ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        sleepers = Sleepers(2)
        with pytest.raises(KeyboardInterrupt):
            drive(Errands(5, sleepers), sleepers, retries=0)
    finally:
        signal.signal(signal.SIGINT, before)
