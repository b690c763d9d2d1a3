"""Which trial a name stands for; none that holds no whole model."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.models.load import choose, find_trial, load_archived
from experiments.tracking.reader import Reader
from experiments.tracking.retries import connect
from experiments.tracking.run_record import RunRecord
from tests.written import RATES, write
from vae.errors import BadInput


@pytest.fixture
def uri(tmp_path: Path) -> str:
    """1e-3 is best, and in every configuration seed 0; 5e-4 failed with seed 1."""
    return write(tmp_path, failures={(5e-4, 1): ("diverged", "")})


def of(uri: str, kind: str, lr: float, seed: int | None = None) -> RunRecord:
    reader = Reader.find(uri, "tiny")
    assert reader is not None
    suffix = "" if seed is None else f" s{seed}"
    name = f"mlp3 sse none lr={lr:g}{suffix}"
    (found,) = [r for r in reader.records(kind) if r.tags["mlflow.runName"] == name]
    return found


def test_an_experiment_is_its_best_configuration_s_best_seed(uri: str) -> None:
    chosen = choose("tiny", uri)
    assert chosen.run.run_id == of(uri, "trial", 1e-3, 0).run_id
    assert "the best by val/nll of 2 seeds of the configuration with the best mean" in chosen.why


def test_a_configuration_is_its_seed_with_the_highest_return_and_a_trial_itself(uri: str) -> None:
    parent = of(uri, "configuration", 1e-4).run_id
    expected = of(uri, "trial", 1e-4, 0).run_id
    assert choose(parent, uri).run.run_id == expected
    itself = choose(of(uri, "trial", 1e-4, 1).run_id, uri)
    assert (itself.run.run_id, itself.why) == (of(uri, "trial", 1e-4, 1).run_id, "")


def test_a_seed_without_weights_is_passed_over_and_that_is_said(uri: str) -> None:
    reader = Reader.find(uri, "tiny")
    assert reader is not None
    from experiments.tracking.model_files import delete_weights

    delete_weights(connect(uri), of(uri, "trial", 1e-3, 0).run_id)
    chosen = choose("tiny", uri)
    assert chosen.run.run_id == of(uri, "trial", 1e-3, 1).run_id
    assert "of 1 kept seeds" in chosen.why
    delete_weights(connect(uri), chosen.run.run_id)
    with pytest.raises(BadInput, match=r"of its 2 finished seeds no weights were kept.*--archive"):
        choose("tiny", uri)


def test_what_stands_for_no_trial(uri: str) -> None:
    with pytest.raises(BadInput, match=r"no run is called 'tinny'.*did you mean 'tiny'"):
        choose("tinny", uri)
    with pytest.raises(BadInput, match=r"not finished \(failed\)"):
        choose(of(uri, "trial", RATES[1], 1).run_id, uri)
    with pytest.raises(BadInput, match="is a configuration run; name one of its trials"):
        find_trial(of(uri, "configuration", 1e-3).run_id, uri)
    client = connect(uri)
    other = client.create_run(client.create_experiment("by hand")).info.run_id
    with pytest.raises(BadInput, match="not one of a sweep of this project's"):
        choose(other, uri)


def test_what_is_no_archive_is_told_with_its_run(uri: str) -> None:
    chosen = choose("tiny", uri)  # whose files hold anything but a model
    with pytest.raises(BadInput, match=f"run {chosen.run.run_id}: "):
        load_archived(chosen)
