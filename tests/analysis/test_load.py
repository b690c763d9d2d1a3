"""Tracked experiments as frames: what ran, what did not, and what only some of them have."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from experiments.analysis.load import load_curves, load_trials
from experiments.analysis.sources import open_source
from experiments.metrics import FINAL_METRICS
from experiments.tracking.run_record import State
from experiments.tracking.trial_writer import TrialWriter
from experiments.tracking.writer import ExperimentWriter
from tests.written import CODE, empty_database
from vae.configuration import Configuration, Trial
from vae.errors import BadInput


class Tracked:
    """An experiment that is written run by run."""

    def __init__(self, folder: Path) -> None:
        (folder / "mlflow.db").write_bytes(empty_database())
        self.uri = f"sqlite:///{folder / 'mlflow.db'}"
        self.writer = ExperimentWriter.create(self.uri, "mine")

    def configuration(self, configuration: Configuration, *seeds: int) -> str:
        return self.writer.create_configuration_run(configuration, "some label", seeds)

    def trial(self, configuration: Configuration, seed: int, parent: str) -> TrialWriter:
        trial = Trial(configuration=configuration, seed=seed)
        return TrialWriter(self.uri, self.writer.create_trial_run(trial, "label", parent, CODE))


@pytest.fixture
def tracked(tmp_path: Path) -> Tracked:
    return Tracked(tmp_path)


FINALS = dict.fromkeys(FINAL_METRICS, 1.5)
MLP3, WIDE = Configuration(), Configuration(encoder="mlp", options={"encoder.layers": 3})


def test_a_row_for_every_trial_that_was_asked_for(tracked: Tracked) -> None:
    parent = tracked.configuration(MLP3, 3, 2, 1, 0)
    tracked.trial(MLP3, 2, parent).finish(FINALS)
    tracked.trial(MLP3, 1, parent).fail("diverged", "Traceback: at the end")
    tracked.trial(MLP3, 3, parent).log_epoch(1, {"val/return": -9.0})
    trials = load_trials("mine", tracked.uri)
    assert list(trials["seed"]) == [0, 1, 2, 3]
    assert list(trials["state"]) == ["missing", "failed", "finished", "running"]
    assert "diverged" in trials["error"][1] and trials["error"][2] == ""
    assert list(trials["return"].notna()) == [False, False, True, False]
    assert trials["run_id"][0] == "" and trials["run_id"].nunique() == 4
    expected = [Trial(configuration=MLP3, seed=seed).id for seed in range(4)]
    assert list(trials["trial_id"]) == expected, "also of those that have no run"


def test_a_configuration_that_was_pruned_runs_no_more_of_its_seeds(tracked: Tracked) -> None:
    parent = tracked.configuration(MLP3, 0, 1)
    tracked.trial(MLP3, 0, parent).finish(FINALS)
    tracked.writer.set_tags(parent, {"pruned": "true", "pruned.reason": "lost"})
    tracked.writer.set_state(parent, State.PRUNED)
    trials = load_trials("mine", tracked.uri)
    assert list(trials["state"]) == ["finished", "pruned"]
    assert list(trials["error"]) == ["", "lost"]


def test_options_keep_their_type_where_others_lack_them(tracked: Tracked) -> None:
    for configuration in (MLP3, WIDE):
        tracked.configuration(configuration, 0)
    trials = load_trials("mine", tracked.uri).set_index("encoder")
    assert str(trials["encoder.layers"].dtype) == "Int64"
    assert trials["encoder.layers"]["mlp"] == 3
    assert trials["encoder.layers"].isna()["mlp3"]
    assert str(trials["return"].dtype) == "float64", "of no finished trial, too"


def test_runs_that_a_kill_left_double_count_once(tracked: Tracked) -> None:
    """Two of one configuration with other seeds each, and two of one trial."""
    first, second = tracked.configuration(MLP3, 0), tracked.configuration(MLP3, 0, 1)
    tracked.trial(MLP3, 0, first).fail("killed", "")
    tracked.trial(MLP3, 0, second).finish(FINALS)
    trials = load_trials("mine", tracked.uri)
    assert list(zip(trials["seed"], trials["state"], strict=True)) == [
        (0, "finished"),
        (1, "missing"),
    ]


def test_what_older_code_wrote_has_the_fields_that_were_added_later(tracked: Tracked) -> None:
    parent = tracked.configuration(MLP3, 0)
    tracked.trial(MLP3, 0, parent).finish(FINALS)
    written = json.loads(tracked.writer.records("configuration")[0].tags["configuration"])
    del written["objective"], written["patience"]
    tracked.writer.set_tags(parent, {"configuration": json.dumps(written)})
    (row,) = load_trials("mine", tracked.uri).to_dict("records")
    assert (row["objective"], row["patience"]) == ("elbo", 0)
    assert row["configuration_id"] == MLP3.id, "as it was written, whatever is added"


def test_curves_have_holes_where_an_epoch_lacks_a_metric(tracked: Tracked) -> None:
    parent = tracked.configuration(MLP3, 0, 1)
    log = tracked.trial(MLP3, 0, parent)
    log.log_epoch(1, {"val/return": -9.0, "train/loss": 9.0})
    log.log_epoch(3, {"train/loss": 7.0})
    curves = load_curves("mine", tracked.uri, ["val/return", "train/loss"])
    assert list(curves["epoch"]) == [1, 3]
    assert list(curves["train/loss"]) == [9, 7]
    assert curves["val/return"][0] == -9 and math.isnan(curves["val/return"][1])
    assert set(curves["seed"]) == {0}, "a trial without a run has no curve"


def test_an_experiment_without_runs_is_an_empty_frame_with_all_columns(tracked: Tracked) -> None:
    trials = load_trials("mine", tracked.uri)
    assert trials.empty and {"encoder", "return", "test/nll", "state"} <= set(trials.columns)
    assert load_curves("mine", tracked.uri).empty


def test_what_is_not_tracked_says_what_is(tracked: Tracked, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="mine"):
        open_source("mne", tracked.uri)
    with pytest.raises(BadInput):
        load_trials("mine", f"sqlite:///{tmp_path / 'other.db'}")
    assert not (tmp_path / "other.db").exists(), "reading makes no database"
