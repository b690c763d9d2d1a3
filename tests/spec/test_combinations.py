"""The combinations of a grid, and rules that exclude some."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.spec.combinations import applies, combinations
from vae.errors import BadInput

AXES = st.dictionaries(
    st.sampled_from("abcd"), st.lists(st.integers(), min_size=1, max_size=3, unique=True)
)


@given(AXES, st.integers(1, 3))
def test_every_combination_comes_once_and_those_that_are_zipped_advance_together(
    grid: dict[str, list[int]], n: int
) -> None:
    zipped = {"x": [*range(n)], "y": [*range(10, 10 + n)]}
    found = list(combinations(grid, [zipped]))
    assert len(found) == n * math.prod(len(values) for values in grid.values())
    assert len({tuple(sorted(one.items())) for one in found}) == len(found)
    assert all(one.keys() == {*grid, "x", "y"} and one["y"] == one["x"] + 10 for one in found)


def test_the_last_axis_of_the_file_changes_fastest() -> None:
    found = list(combinations({"b": [2, 1], "a": ["x", "y"]}, []))
    assert [tuple(one.items()) for one in found[:3]] == [
        (("b", 2), ("a", "x")),
        (("b", 2), ("a", "y")),
        (("b", 1), ("a", "x")),
    ]


def test_without_axes_there_is_one_combination_and_with_an_empty_one_none() -> None:
    assert list(combinations({}, [])) == [{}]
    assert list(combinations({"a": [1], "b": []}, [])) == []


@pytest.mark.parametrize(
    ("rule", "applies_to_it"),
    [
        ({"encoder": "mlp"}, True),
        ({"encoder": "mlp", "encoder.layers": 2}, True),
        ({"encoder": "mlp", "encoder.layers": 3}, False),
        ({"encoder": "conv", "encoder.layers": 2}, False),
        ({"encoder.width": 2}, False),  # it takes no such option
        ({"encoder.layers": 2.0}, True),
    ],
)
def test_a_rule_applies_to_what_has_all_of_it(rule: dict[str, Any], applies_to_it: bool) -> None:
    effective = {"encoder": "mlp", "encoder.layers": 2, "lr": 1e-3}
    assert applies(rule, effective) is applies_to_it


def test_a_value_of_another_type_than_the_option_s_is_told_with_its_place() -> None:
    with pytest.raises(BadInput, match=r"exclude: encoder.layers"):
        applies({"encoder.layers": "many"}, {"encoder.layers": 2})
