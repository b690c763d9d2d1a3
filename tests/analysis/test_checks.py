"""Frames and names that come from a notebook."""

from __future__ import annotations

import pandas as pd
import pytest

from experiments import compare, load_curves, load_trials, main_effects, summarize
from tests.written import write
from vae.errors import BadInput


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("tracked"))


@pytest.fixture
def trials(uri: str) -> pd.DataFrame:
    return load_trials("tiny", uri)


def test_one_metric_is_a_list_of_one(uri: str, trials: pd.DataFrame) -> None:
    """Issue 14, item 22"""
    curves = load_curves("tiny", uri, metrics="train/loss")
    assert sorted(curves["train/loss"].unique()) == [60.0, 120.0]
    assert len(curves) == 12
    pd.testing.assert_frame_equal(
        load_curves("tiny", uri), load_curves("tiny", uri, metrics=["val/return"])
    )
    pd.testing.assert_frame_equal(summarize(trials, "return"), summarize(trials, ["return"]))


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("train/los", "did you mean 'train/loss'"),
        ("return", "load_trials has it"),
        (["val/return", "nonsense"], "'nonsense'"),
    ],
)
def test_curves_that_there_are_not(uri: str, metric: str | list[str], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        load_curves("tiny", uri, metrics=metric)


def test_a_frame_joined_with_itself_counts_no_seed_twice(trials: pd.DataFrame) -> None:
    """Issue 14, item 22"""
    joined = pd.concat([trials, trials])
    for call in (summarize, compare, main_effects):
        with pytest.raises(BadInput, match="drop_duplicates"):
            call(joined, "return")
    again = joined.drop_duplicates("trial_id")
    pd.testing.assert_frame_equal(summarize(again), summarize(trials))


def test_metrics_and_frames_that_are_none(trials: pd.DataFrame) -> None:
    """Issue 14, item 22"""
    for call in (summarize, compare, main_effects):
        with pytest.raises(BadInput, match="did you mean 'return'"):
            call(trials, "retrun")
        with pytest.raises(BadInput, match="no column 'train/loss'"):
            call(trials, "train/loss")
        with pytest.raises(BadInput, match="load_trials"):
            call(pd.DataFrame({"x": [1]}), "return")


def test_an_empty_frame_has_empty_answers(trials: pd.DataFrame) -> None:
    assert summarize(trials.iloc[:0]).empty
    assert "configuration_id" in summarize(trials.iloc[:0]).columns
    assert compare(trials.iloc[:0]).empty
    assert main_effects(trials.iloc[:0], "return").empty
