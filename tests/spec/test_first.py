"""What a study tries first: every mistake in it is one line that names the place."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.spec.experiment import load_experiment
from experiments.spec.ranges import Range
from experiments.spec.search_space import StudyPlan
from vae.errors import BadInput

SPACE = {
    "lr": {"low": 1e-4, "high": 1e-2, "log": True},
    "hidden_dim": {"low": 8, "high": 32, "step": 8},
    "encoder": ["mlp1", "mlp3", "mlp"],
    "encoder.layers": [1, 2],
}


def plan(first: Any, **keys: Any) -> StudyPlan:
    study = {"trials": 3, "space": SPACE, "first": first, **keys}
    experiment = load_experiment(
        {"name": "s", "dataset": "mnist5k", "fixed": {"loss": "bce"}, "study": study}
    )
    assert experiment.study is not None
    return experiment.study


def test_values_are_as_the_fields_hold_them() -> None:
    given = plan([{"encoder": "mlp1", "lr": "1e-3"}, {"encoder.layers": 2, "encoder": "mlp"}])
    assert given.first == (
        {"lr": 0.001, "encoder": "mlp1"},
        {"encoder": "mlp", "encoder.layers": 2},
    )


@pytest.mark.parametrize(
    ("first", "complaint"),
    [
        ([{"lrr": 1}], "study.first: 0.lrr: unknown field 'lrr'; did you mean 'lr'?"),
        ([{"lr": "x"}], "study.first: 0.lr: input should be a valid number"),
        ([{"lr": 1}], "study.first.0: lr: should be in the space, 0.0001 to 0.01, logarithmic"),
        ([{"hidden_dim": 8}, {"hidden_dim": 12}], "study.first.1: hidden_dim: should be in the"),
        ([{"encoder": "mlp2"}], "study.first: 0.encoder: unknown encoder 'mlp2'; did you mean"),
        ([{"encoder": "conv"}], "study.first.0: encoder: unknown choice 'conv'"),
        ([{"loss": "sse"}], r"study.first.0: loss: is not searched, but fixed \(bce\)"),
        ([{"epochs": 1}], "study.first.0: unknown searched field 'epochs'"),
        ([{"encoder.layers": 1}], "study.first.0: encoder.layers: not every encoder takes it"),
        (
            [{"encoder": "mlp1", "encoder.layers": 1}],
            "study.first.0: encoder.layers: encoder 'mlp1' takes no such option",
        ),
        ([{"encoder": "mlp", "encoder.layers": 3}], "should be one of 1, 2"),
        ([{}], "study.first.0: should name a searched field"),
        ([{"lr": 1e-3}] * 2, "study.first.1: is given twice"),
        ([{"lr": n * 1e-3} for n in range(1, 5)], "has 4 configurations, and `trials` allows 3"),
        ({"lr": 1e-3}, "study.first: input should be a valid list"),
    ],
)
def test_a_mistake_is_named(first: Any, complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint) as raised:
        plan(first)
    assert "\n" not in str(raised.value)


def test_a_combination_that_cannot_be_is_refused_before_it_is_tried() -> None:
    space = {"decoder": ["mlp1", "mlp3"], "free_bits": [0, 1], "objective": ["elbo", "iwae"]}
    given = [{"objective": "iwae"}]
    assert plan(given, space=space).first == tuple(given), "the others are drawn"
    with pytest.raises(BadInput, match=r"study.first.0: .*free_bits"):
        plan([{"objective": "iwae", "free_bits": 1, "decoder": "mlp1"}], space=space)


def test_what_is_learned_from_is_named_once() -> None:
    assert plan([], learn_from=["a", "b"]).learn_from == ("a", "b")
    with pytest.raises(BadInput, match=r"study.learn_from: 'a' is given twice"):
        plan([], learn_from=["a", "b", "a"])


def test_neither_makes_it_another_study() -> None:
    same = {p.digest([0], False) for p in (plan([]), plan([{"lr": 1e-3}], learn_from=["a"]))}
    assert len(same) == 1


def test_a_range_has_what_may_be_drawn() -> None:
    assert 16 in Range(8, 32, step=8)
    assert 12 not in Range(8, 32, step=8)
    assert 8.5 not in Range(8, 32)
    assert True not in Range(0, 2)
    assert "8" not in Range(8, 32)
    assert 0.3 in Range(0.0, 1.0, step=0.1)
    assert 0.35 not in Range(0.0, 1.0, step=0.1)
    assert float("nan") not in Range(0.0, 1.0)
