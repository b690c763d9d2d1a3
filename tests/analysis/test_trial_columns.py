"""The columns of a frame of trials: which vary, how they are told, what may be compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments.analysis.trial_columns import (
    NOT_TAKEN,
    comparable,
    describe_field,
    varying_fields,
    with_options_filled,
)


def frame(**columns: Any) -> pd.DataFrame:
    """Of two configurations, or as many as there are values."""
    n = len(next(iter(columns.values())))
    ids = pd.DataFrame({"configuration_id": [f"c{i}" for i in range(n)]})
    return ids.assign(**{name.replace("__", "."): values for name, values in columns.items()})


def test_what_varies_is_in_the_order_of_the_configuration_options_behind_their_field() -> None:
    trials = frame(
        encoder__width=[1, 2], latent_dim=[2, 3], encoder=["a", "b"], loss=["bce", "bce"]
    )
    assert varying_fields(trials) == ["encoder", "encoder.width", "latent_dim"]


def test_the_version_of_the_code_is_told_where_nothing_else_tells_two_apart() -> None:
    versions = {"numbers_version": [1, 2], "code_digest": ["", ""]}
    assert varying_fields(frame(encoder=["a", "a"], **versions)) == ["numbers_version"]
    assert varying_fields(frame(encoder=["a", "b"], **versions)) == ["encoder"]
    assert varying_fields(frame(encoder=["a"], numbers_version=[1])) == []


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("encoder", "mlp3", "mlp3"),
        ("encoder.width", 400, "encoder.width=400"),
        ("lr", 1e-3, "lr=0.001"),
        ("encoder.activation", "tanh", "encoder.activation=tanh"),
        ("encoder.width", np.nan, ""),
        ("encoder.width", pd.NA, ""),
        ("code_digest", "0123456789", "code 0123"),
        ("data_digest", "", ""),
    ],
)
def test_a_field_in_words(name: str, value: object, told: str) -> None:
    assert describe_field(name, value) == told


def test_only_what_differs_of_the_versions_makes_groups_besides_the_scale() -> None:
    trials = frame(loss=["bce", "bce"], numbers_version=[1, 1], val_size=[10, 20])
    assert comparable(trials, ("loss", "transform")) == ["loss", "val_size"]


def test_who_does_not_take_an_option_is_in_a_group_all_the_same() -> None:
    trials = frame(encoder=["mlp3", "mlp"], encoder__layers=pd.array([None, 2], dtype="Int64"))
    filled = with_options_filled(trials)
    assert list(filled["encoder.layers"]) == [NOT_TAKEN, 2]
    assert filled.groupby("encoder.layers").size().sum() == 2
