"""What the fields of a configuration name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from vae.components.registry import KINDS
from vae.errors import BadInput
from vae.resolution import (
    all_options,
    check_named,
    checked_before,
    own_options,
    resolve_components,
)

VALUES = {
    "dataset": "mnist5k", "encoder": "mlp", "decoder": "mlp", "loss": "bce", "transform": "none",
    "objective": "elbo", "beta_schedule": "constant", "lr_schedule": "constant",
    "optimizer": "adamw",
}  # fmt: skip


def test_every_kind_is_resolved_with_its_own_options() -> None:
    components = resolve_components(VALUES, {"encoder.layers": 2}, {})
    assert components.keys() == KINDS.keys()
    options = all_options(components.values())
    assert (options["encoder.layers"], options["decoder.layers"]) == (2, 1)
    assert all(option.partition(".")[0] in KINDS for option in options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"encdoer.layers": 2}, "encdoer.layers.*unknown component.*did you mean 'encoder'"),
        ({"encoder.layer": 2}, "did you mean 'encoder.layers'"),
        ({"encoder.layers": "two"}, "encoder.layers"),
        ({"loss.layers": 2}, "loss.*'bce'"),
    ],
)
def test_an_option_that_nothing_takes(options: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        resolve_components(VALUES, options, {})


def test_an_unknown_name_is_told_with_its_field() -> None:
    with pytest.raises(BadInput, match=r"encoder: .*'mpl'.*did you mean 'mlp'"):
        resolve_components({**VALUES, "encoder": "mpl"}, {}, {})


def test_a_value_that_is_no_text_is_left_to_whoever_checks_types() -> None:
    assert "encoder" not in resolve_components({**VALUES, "encoder": 3}, {}, {})


def test_options_belong_to_one_kind() -> None:
    options = {"lr_schedule.warmup": 1, "loss.sigma": 2, "lr_schedule.warmup.x": 3}
    assert own_options("lr_schedule", options) == {"warmup": 1, "warmup.x": 3}
    assert own_options("lr", options) == {}


def test_a_stored_configuration_reads_and_executes_no_file(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text("raise SystemExit('executed')\n\n\nclass Wide: ...\n")
    value = f"{tmp_path / 'nets.py'}:Wide"
    with pytest.raises(BadInput, match="without a digest"):
        checked_before("encoder", value, None)
    stored = checked_before("encoder", value, "0" * 64)
    assert (stored.value, stored.digest) == (value, "0" * 64)
    with pytest.raises(BadInput, match="somebody's own code"):
        stored.load()


def test_a_digest_does_not_turn_a_built_in_into_code() -> None:
    assert checked_before("encoder", "mlp3", "0" * 64) == check_named("encoder", "mlp3")


def test_files_are_looked_for_in_the_folder_that_is_given(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(
        "class Wide:\n    def __init__(self, shape, hidden_dim, latent_dim, *, width=3): ...\n"
    )
    found = check_named("encoder", "nets.py:Wide", tmp_path)
    assert dict(found.options) == {"width": 3}
    with pytest.raises(BadInput, match=r"nets\.py"):
        check_named("encoder", "nets.py:Wide", tmp_path / "elsewhere")
