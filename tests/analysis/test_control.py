"""Which configuration of a frame a control names."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import pytest

from experiments.analysis.control import find_control
from vae.configuration import Configuration
from vae.errors import BadInput


def frame(*fields: Mapping[str, object]) -> pd.DataFrame:
    """Two seeds of each configuration."""
    configurations = [Configuration.model_validate(f) for f in fields]
    rows = [{"configuration_id": c.id, "seed": s, **c.flat} for c in configurations for s in (0, 1)]
    return pd.DataFrame(rows)


MLP1, MLP3 = {"encoder": "mlp1"}, {"encoder": "mlp3"}


def test_fields_that_are_not_named_have_their_defaults() -> None:
    trials = frame(MLP1, MLP3, {**MLP3, "latent_dim": 3}, {**MLP3, "latent_dim": 5})
    assert find_control(trials, MLP3, ()) == Configuration(encoder="mlp3").id
    found = find_control(trials, {**MLP3, "latent_dim": 5}, ())
    assert found == Configuration(encoder="mlp3", latent_dim=5).id


def test_what_could_be_several_says_what_to_add() -> None:
    trials = frame(MLP1, {**MLP3, "latent_dim": 3}, {**MLP3, "latent_dim": 5})
    with pytest.raises(BadInput, match="2 configurations have that; say latent_dim as well"):
        find_control(trials, MLP3, ())


def test_what_nobody_has_is_none_and_what_there_is_not_is_refused() -> None:
    trials = frame(MLP1, MLP3)
    assert find_control(trials, {"encoder": "conv"}, ()) is None
    with pytest.raises(BadInput, match="did you mean 'encoder'"):
        find_control(trials, {"encodr": "mlp3"}, ())


def test_a_group_that_is_measured_otherwise_is_held_against_its_like() -> None:
    trials = frame({**MLP1, "loss": "bce"}, {**MLP3, "loss": "bce"})
    control = {**MLP3, "loss": "sse"}
    assert find_control(trials, control, ("loss",)) == Configuration(encoder="mlp3", loss="bce").id
    assert find_control(trials, control, ()) is None


def test_an_option_is_named_like_a_field_and_who_does_not_take_it_is_not_meant() -> None:
    wide = {"encoder": "mlp", "options": {"encoder.layers": 2}}
    trials = frame(MLP3, {"encoder": "mlp"}, wide)
    assert find_control(trials, {"encoder.layers": 2}, ()) == Configuration.model_validate(wide).id
