"""Shares of a node."""

from __future__ import annotations

import os

import pytest

from experiments.execution.resources import Share, cpu_cores


@pytest.mark.parametrize(
    ("cpus", "gpus", "node", "n"),
    [
        (1, 0, {"CPU": 8}, 8),
        (3, 0, {"CPU": 8}, 2),
        (1, 0.1, {"CPU": 64, "GPU": 1}, 10),  # ten tenths of a GPU are one
        (1, 1, {"CPU": 8, "GPU": 2}, 2),
        (4, 0.25, {"CPU": 8, "GPU": 8}, 2),
        (1, 1, {"CPU": 8}, 0),
        (1, 0, {}, 0),
    ],
)
def test_how_many_trials_fit_into_a_node(
    cpus: float, gpus: float, node: dict[str, float], n: int
) -> None:
    assert Share(cpus, gpus).fits_into(node) == n


def test_cores_are_those_that_this_process_may_use() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert cpu_cores() == 1
    finally:
        os.sched_setaffinity(0, before)
