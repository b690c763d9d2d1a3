"""How long a sweep of which everything is done takes to say so, at 100, 1,000 and 10,000 trials.

The figures are for README; what is asserted is that they do not grow faster than the sweep.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest

from benchmarks import tracked_sweep
from tests.conftest import Workspace


@pytest.mark.slow
def test_start_up_grows_no_faster_than_the_sweep(tmp_path: Path) -> None:
    seconds = {}
    for n_trials in (100, 1_000, 10_000):
        folder = tmp_path / str(n_trials)
        folder.mkdir()
        tracked_sweep.start(folder)
        tracked_sweep.grow(folder, n_trials)
        started = time.perf_counter()
        done = Workspace(folder).run("sweep.py", "many.yaml")
        seconds[n_trials] = time.perf_counter() - started
        assert f"0 trials finished, {n_trials:,} already finished" in done.stderr
    for n_trials, taken in seconds.items():
        print(f"{n_trials:>6} trials, all done: {taken:.1f} s")
    exponent = math.log10(seconds[10_000] / seconds[1_000])
    print(f"exponent from 1,000 to 10,000: {exponent:.2f}")
    assert exponent <= 1.1
