"""The key `racing`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments.spec.experiment import Experiment, load_experiment
from experiments.spec.racing import Racing
from vae.configuration import Configuration
from vae.errors import BadInput


def load(folder: Path, racing: str, grid: str = "{encoder: [mlp1, mlp3]}") -> Experiment:
    text = f"name: q\ndataset: mnist5k\ngrid: {grid}\nseeds: 4\nracing: {racing}\n"
    (folder / "q.yaml").write_text(text)
    return load_experiment(folder / "q.yaml")


@pytest.mark.parametrize(
    ("written", "rules"),
    [
        ("true", Racing(first=2, equal_within=None, control=None)),
        ("{}", Racing()),
        ("{first: 3}", Racing(first=3)),
        ("{equal_within: 1}", Racing(equal_within=1.0)),
        ("false", None),
    ],
)
def test_every_key_is_optional(tmp_path: Path, written: str, rules: Racing | None) -> None:
    assert load(tmp_path, written).racing == rules


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{first: 1}", "racing.first"),
        ("{first: true}", "racing.first"),
        ("{first: 2.5}", "racing.first"),
        ("{equal_within: 0}", "racing.equal_within"),
        ("{equal_within: .inf}", "racing.equal_within"),
        ("{equal_within: true}", "racing.equal_within"),
        ("{frist: 3}", "did you mean 'first'"),
        ("{control: {}}", "should name a field"),
        ("{control: {encodr: mlp3}}", "did you mean 'encoder'"),
        ("{control: {encoder: mpl3}}", "did you mean 'mlp3'"),
        ("{control: {encoder: conv}}", "no configuration has encoder=conv"),
        ("3", "should be true, or a mapping with any of first, equal_within, control"),
    ],
)
def test_what_is_no_race(tmp_path: Path, written: str, said: str) -> None:
    with pytest.raises(BadInput, match=said) as refused:
        load(tmp_path, written)
    assert "\n" not in str(refused.value)


def test_a_control_is_one_configuration_of_the_grid(tmp_path: Path) -> None:
    rules = load(tmp_path, "{control: {encoder: mlp3}}").racing
    assert rules and rules.control == Configuration(dataset="mnist5k", encoder="mlp3").id


def test_a_control_s_values_are_read_as_the_fields_are(tmp_path: Path) -> None:
    rules = load(tmp_path, "{control: {lr: '1e-2'}}", "{lr: [1e-3, 0.01]}").racing
    named: dict[str, Any] = {"dataset": "mnist5k", "lr": 0.01}
    assert rules and rules.control == Configuration(**named).id
