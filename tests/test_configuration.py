from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vae.configuration
from vae.configuration import Configuration, Trial, check_field

configurations = st.builds(
    Configuration,
    encoder=st.sampled_from(["mlp1", "mlp3", "conv"]),
    latent_dim=st.integers(1, 100),
    lr=st.floats(1e-8, 10),
    beta=st.floats(0, 100),
    epochs=st.integers(1, 1000),
)


@given(configurations, configurations)
def test_equal_configurations_and_no_others_share_an_id(
    first: Configuration, second: Configuration
) -> None:
    assert (first == second) == (first.id == second.id)


@given(configurations, st.integers(0, 2**63 - 1))
def test_a_trial_survives_its_json(configuration: Configuration, seed: int) -> None:
    trial = Trial(configuration=configuration, seed=seed)
    again = Trial.model_validate_json(trial.model_dump_json())
    assert again == trial
    assert again.id == trial.id


def test_seeds_tell_trials_apart_and_not_configurations() -> None:
    first, second = (Trial(configuration=Configuration(), seed=s) for s in (0, 1))
    assert first.id != second.id
    assert first.configuration.id == second.configuration.id


def test_how_a_number_is_written_does_not_matter() -> None:
    assert Configuration(lr="1e-3", beta=1).id == Configuration(lr=0.001, beta=1.0).id


def test_the_identity_is_the_same_in_another_process() -> None:
    code = "from vae.configuration import *; print(Trial(configuration=Configuration(), seed=3).id)"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == Trial(configuration=Configuration(), seed=3).id


def test_a_new_version_of_the_numbers_makes_new_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Trial(configuration=Configuration(), seed=0).id
    monkeypatch.setattr(vae.configuration, "NUMBERS_VERSION", 10**6)
    assert Trial(configuration=Configuration(), seed=0).id != before


def test_val_size_suits_the_data_set() -> None:
    assert Configuration().val_size == 10_000
    assert Configuration(dataset="mnist5k").val_size == 500
    assert Configuration(dataset="mnist5k", val_size=100).val_size == 100


def test_yaml_reads_1e_3_as_text_and_the_field_as_a_number() -> None:
    assert check_field("lr", "1e-3") == 0.001
