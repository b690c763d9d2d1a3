"""What verdicts promise, in small: `python -m benchmarks.verdicts` is the whole of it."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import verdicts

SUITES = [suite for suite in verdicts.SUITES if suite is not verdicts.studies]


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.__name__)
def test_promises_hold(suite) -> None:  # type: ignore[no-untyped-def]
    rows = list(suite(150))
    for row in rows:
        print(row)
    assert rows
    assert [str(row) for row in rows if not row.holds] == []


def test_a_promise_that_is_missed_is_marked() -> None:
    row = verdicts.Row("x", 0.07, at_most=0.06)
    assert not row.holds
    assert str(row).endswith("≤ 0.06  MISSED")


def test_what_nobody_would_miss_is_found_and_what_is_not_there_is_not() -> None:
    rng = np.random.default_rng(0)
    means = np.array([0.0, -14.0, 0.0])
    found = verdicts.verdicts(verdicts.table(rng, means, np.full(3, 0.7), 3))
    assert found[1] == "worse"
    assert "worse" not in found[[0, 2]]
