from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vae.configuration
from vae.configuration import FIELDS_ADDED_LATER, Configuration, Trial, check_field

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


def test_asking_for_an_identity_does_not_change_it() -> None:
    asked, fresh = Configuration(), Configuration()
    assert asked.id and asked.flat
    assert Trial(configuration=asked, seed=0).id == Trial(configuration=fresh, seed=0).id
    assert asked == fresh


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


GOLDEN_IDS: list[tuple[dict[str, object], str, str]] = [
    ({}, "c4fbe4c15ff460dc", "e0b6cb578d71f15e"),
    (
        {"dataset": "mnist5k", "encoder": "mlp1", "loss": "bce", "transform": "binarize"},
        "c7d59db20ad2c004", "493fce6537bf7a12",
    ),
    (
        {"encoder": "conv", "decoder": "conv", "loss": "continuous_bernoulli", "latent_dim": 2,
         "beta": 4.0},
        "0a806dcaa9a312b0", "36148df80a761498",
    ),
    (
        {"dataset": "fashion_mnist", "decoder": "mlp3", "transform": "dynamic_binarize",
         "lr": 5e-4, "nll_samples": 500},
        "7776ec2cf13a142b", "58af698c407639df",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "configuration_id", "trial_id"), GOLDEN_IDS)
def test_what_was_run_stays_what_it_is(
    fields: dict[str, object], configuration_id: str, trial_id: str
) -> None:
    """From before any field was added: no new field makes a finished trial a missing one."""
    configuration = Configuration(**fields)
    assert configuration.id == configuration_id
    assert Trial(configuration=configuration, seed=3).id == trial_id


def test_later_fields_have_the_values_that_earlier_trials_were_run_with() -> None:
    for name, value in FIELDS_ADDED_LATER.items():
        assert Configuration.model_fields[name].default == value


def test_a_later_field_tells_configurations_apart_where_it_matters() -> None:
    first, again, other = (
        Configuration(objective="iwae", **{"objective.samples": k}) for k in (5, 5, 50)
    )
    assert first.id == again.id == Configuration(objective="iwae").id
    assert len({first.id, other.id, Configuration().id}) == 3


@pytest.mark.parametrize("name", FIELDS_ADDED_LATER)
def test_what_is_at_its_default_is_not_in_the_identity(name: str) -> None:
    assert Configuration(**{name: FIELDS_ADDED_LATER[name]}).id == Configuration().id
    assert Configuration(**{"optimizer.betas": [0.9, 0.999]}).id == Configuration().id


def test_a_stored_iwae_is_read_as_the_objective_that_it_is() -> None:
    stored = Configuration.model_validate({"loss": "iwae", "iwae_samples": 50})
    today = Configuration(loss="bce", objective="iwae", **{"objective.samples": 50})
    assert stored == today
    assert Configuration.model_validate({"loss": "sse", "iwae_samples": 5}) == Configuration()
