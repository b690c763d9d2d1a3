"""Which configuration of an experiment file a control names."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.spec.control import find_control, write_control
from vae.configuration import Configuration
from vae.errors import BadInput


def place(control: dict[str, Any], *fields: dict[str, Any]) -> int | None:
    return find_control([Configuration.model_validate(f).flat for f in fields], control)


MLP1, MLP3 = {"encoder": "mlp1"}, {"encoder": "mlp3"}


def test_of_what_else_varies_it_has_the_defaults() -> None:
    small, default = {**MLP3, "latent_dim": 3}, {**MLP3, "latent_dim": 20}
    assert place(MLP3, MLP1, small, default) == 2
    assert place({**MLP3, "latent_dim": 3}, MLP1, small, default) == 1
    assert place(MLP3, MLP1, small) == 1, "where none has the default, there is but one"
    assert place({"encoder": "conv"}, MLP1, small) is None


def test_what_could_be_several_says_what_to_add() -> None:
    with pytest.raises(BadInput, match="encoder=mlp3: 2 configurations have that; say latent_dim"):
        place(MLP3, MLP1, {**MLP3, "latent_dim": 3}, {**MLP3, "latent_dim": 5})


def test_who_does_not_take_an_option_is_not_meant() -> None:
    deep = {"encoder": "mlp", "options": {"encoder.layers": 2}}
    assert place({"encoder.layers": 2}, MLP3, {"encoder": "mlp"}, deep) == 2
    with pytest.raises(BadInput, match="whole number"):
        place({"encoder.layers": "many"}, MLP3, deep)


def test_it_is_written_as_on_a_command_line() -> None:
    assert write_control({"encoder": "mlp3", "lr": 0.1}) == "encoder=mlp3, lr=0.1"
