"""Values and durations as people read them."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.formatting import count, duration, format_value


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e-3, "0.001"), (1e-6, "1e-06"), (0.1234567, "0.1235"), (400, "400"), (np.int64(7), "7"),
     (1.2345e-4, "0.00012345"),
     (np.float64(0.5), "0.5"), ("mlp1", "mlp1"), (True, "True")],
)  # fmt: skip
def test_a_value_in_a_label(value: object, text: str) -> None:
    assert format_value(value) == text


def test_a_count_and_its_noun_agree() -> None:
    assert [count(n, "trial") for n in (0, 1, 36, 1000)] == [
        "0 trials", "1 trial", "36 trials", "1,000 trials",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")],
)
def test_a_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text
