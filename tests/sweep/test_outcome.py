"""How a sweep ended, in an exit code and one line."""

from __future__ import annotations

import pytest

from experiments.planning.results import Counts
from experiments.sweep.outcome import Outcome


def outcome(
    *counts: int, n_left: int = 0, interruption: str = "", seconds_left: float | None = None
) -> Outcome:
    """Args: counts: before, finished, failed, pruned, not needed"""
    return Outcome(Counts(*counts), n_left, None, interruption, seconds_left)


@pytest.mark.parametrize(
    ("ended", "code"),
    [
        (outcome(0, 4, 0, 0), 0),
        (outcome(4, 0, 0, 0), 0),
        (outcome(0, 3, 0, 9), 0),  # pruned is no failure
        (outcome(0, 3, 1, 0), 1),
        (outcome(0, 3, 1, 0, n_left=2, interruption="interrupted"), 130),
    ],
)
def test_exit_codes(ended: Outcome, code: int) -> None:
    assert ended.exit_code == code


@pytest.mark.parametrize(
    ("ended", "told"),
    [
        (outcome(0, 1, 0, 0), "1 trial finished. To compare: analyze"),
        (outcome(0, 0, 0, 0), "0 trials finished. To compare: analyze"),
        (outcome(8000, 2, 0, 0), "2 trials finished, 8,000 already finished. To compare: analyze"),
        (
            outcome(0, 2, 1, 3, 4),
            "2 trials finished, 1 FAILED, 3 pruned, 4 not needed. To compare: analyze",
        ),
        (
            outcome(0, 2, 0, 0, n_left=5, interruption="out of time", seconds_left=60.0),
            "out of time; 2 trials finished, 5 left (about 1 min 00 s). To go on from here: sweep",
        ),
        (
            outcome(0, 0, 0, 0, n_left=5, interruption="interrupted"),
            "interrupted; 0 trials finished, 5 left. To go on from here: sweep",
        ),
    ],
)
def test_the_closing_line_says_what_there_was_and_what_to_type(ended: Outcome, told: str) -> None:
    assert ended.closing_line("sweep", "analyze") == told
