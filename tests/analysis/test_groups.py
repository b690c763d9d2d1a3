"""What must not be compared is not, and the report says so."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from experiments import compare, main_effects, replay_race
from experiments.analysis.trial_columns import of_today
from experiments.reporting.findings import answer
from experiments.reporting.sentences import conclusions
from tests.reporting.test_report import frames
from vae.errors import BadInput

OLDER = [
    ("numbers_version", 1, 2, "of other version of the numbers"),
    ("data_digest", "aaaa1111", "bbbb2222", "of other content of the data"),
    ("val_size", 400, 500, "of other number of validation images"),
    ("yardstick", "bernoulli 1 × 28 × 28", "bernoulli 3 × 28 × 28", "of other pixels"),
    ("code_digest", "aaaa1111", "bbbb2222", "of other code"),
]


def twice(column: str, before: Any, after: Any) -> pd.DataFrame:
    """Trials of two encoders, before and after something has changed; all are better after."""
    trials = frames()[0]
    trials = trials[(trials["loss"] == "bce") & (trials["transform"] == "none")]
    trials = trials.assign(numbers_version=2, data_digest="", code_digest="")
    older = trials.assign(
        configuration_id="old " + trials["configuration_id"], **{"test/nll": trials["test/nll"] + 9}
    )
    return pd.concat([older.assign(**{column: before}), trials.assign(**{column: after})])


@pytest.mark.parametrize(("column", "before", "after", "said"), OLDER)
def test_what_has_changed_is_another_group(
    column: str, before: object, after: object, said: str
) -> None:
    trials = twice(column, before, after)
    compared = compare(trials, "test/nll")
    assert list(compared["verdict"]) == ["best", "worse"] * 2
    assert compared["group"].nunique() == 2
    for _, group in compared.groupby("group"):
        assert len({i.startswith("old ") for i in group["configuration_id"]}) == 1
    told = conclusions(answer("x", trials, "test/nll"))
    assert any(said in sentence for sentence in told)
    assert sum("has the best mean" in sentence for sentence in told) == 2
    effects = main_effects(trials, "test/nll")
    assert list(effects["axis"]) == ["encoder"], "what changed is no axis, and takes no pair away"
    assert effects["n_pairs"].iloc[0] == 10
    replayed = replay_race(trials, "test/nll").set_index("configuration_id")["verdict"]
    assert (replayed == "best").sum() == 2


def test_own_code_competes_with_other_code_but_not_with_what_it_was() -> None:
    """mlp1 is built in, mlp3 stands for a component that was edited."""
    trials = twice("code_digest", "aaaa1111", "bbbb2222")
    trials.loc[trials["encoder"] == "mlp1", "code_digest"] = ""
    trials = trials[(trials["encoder"] == "mlp3") | ~trials["configuration_id"].str.contains("old")]
    verdicts = compare(trials, "test/nll").groupby("group")["verdict"].agg(list).to_dict()
    assert verdicts == {"mnist": ["best", "worse"], "mnist code aaaa": ["best"]}


@pytest.mark.parametrize(("column", "before", "after"), [OLDER[0][:3], OLDER[4][:3]])
def test_the_champion_is_of_the_code_of_today(column: str, before: Any, after: Any) -> None:
    trials = twice(column, before, after)
    assert set(of_today(trials)["configuration_id"]) == set(trials["configuration_id"][10:])


def test_what_ranks_nothing_is_no_criterion() -> None:
    trials = frames()[0]
    for call in (compare, main_effects, replay_race):
        with pytest.raises(BadInput, match="'best_epoch' ranks no trials"):
            call(trials, "best_epoch")
