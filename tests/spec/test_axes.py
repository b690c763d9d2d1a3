"""The values of an axis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments.spec.axes import check_choices, check_distinct
from vae.errors import BadInput

HERE = Path()


def test_values_are_as_the_field_holds_them() -> None:
    assert check_choices("lr", ["1e-3", 1], HERE) == [1e-3, 1.0]
    assert check_choices("encoder", ["mlp1", "conv"], HERE) == ["mlp1", "conv"]


@pytest.mark.parametrize(
    ("field", "values", "said"),
    [
        ("seed", [1, 2], "use the key `seeds`"),
        ("latent", [1], "latent_dim"),
        ("lr", 1e-3, "one value goes under `fixed`"),
        ("lr", "0.1, 0.2", "an axis is a list"),
        ("lr", [], "empty"),
        ("lr", [0.1, -1], "-1"),
        ("nll_samples", [50, 500], "belongs to the yardstick"),
        ("dataset.yardstick", ["bernoulli", "discretised"], "belongs to the yardstick"),
    ],
)
def test_what_can_be_no_axis(field: str, values: Any, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        check_choices(field, values, HERE)


def test_of_the_yardstick_there_may_be_one_value() -> None:
    assert check_choices("nll_samples", [500], HERE) == [500]


@pytest.mark.parametrize("values", [["a", "b", "a"], [1, 1.0], [0.1, 1e-1]])
def test_a_value_that_is_given_twice_would_be_run_twice(values: list[Any]) -> None:
    with pytest.raises(BadInput, match=r"lr: .* is given twice"):
        check_distinct({"encoder": ["mlp1"], "lr": values})
    assert check_distinct({"lr": values[:1]}) == {"lr": values[:1]}
