"""When a trial logs pictures."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.spec.pictures import Pictures
from vae.errors import BadInput


def due(pictures: Pictures, epochs: int) -> list[int]:
    return [epoch for epoch in range(1, epochs + 1) if pictures.is_due(epoch, epochs)]


@given(st.integers(1, 3000))
def test_by_default_at_most_ten_first_and_last_among_them(epochs: int) -> None:
    epochs_due = due(Pictures(), epochs)
    assert len(epochs_due) == min(10, epochs)
    assert epochs_due[0] == 1
    assert epochs_due[-1] == epochs
    gaps = [b - a for a, b in itertools.pairwise(epochs_due)]
    assert not gaps or max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize(
    ("every", "expected"), [(1, [1, 2, 3, 4, 5]), (2, [2, 4, 5]), (9, [5]), (0, [])]
)
def test_every_so_many_epochs_and_after_the_last(every: int, expected: list[int]) -> None:
    assert due(Pictures(every=every), 5) == expected


@pytest.mark.parametrize(
    ("samples", "layout"), [(1, (1, 1)), (4, (2, 2)), (64, (8, 8)), (6, (2, 3))]
)
def test_a_picture_is_a_square_or_nearly(samples: int, layout: tuple[int, int]) -> None:
    assert Pictures(samples=samples).layout == layout


@pytest.mark.parametrize(
    ("key", "value"), [("every", -1), ("samples", 0), ("every", True), ("evry", 1)]
)
def test_what_cannot_be_is_told(key: str, value: object) -> None:
    with pytest.raises(BadInput):
        Pictures().with_value(key, value)
