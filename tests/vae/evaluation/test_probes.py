"""What codes are good for: classes told from them, and gaps between bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.vae.test_training import SMALL, splits, start
from vae.evaluation.probes import (
    accuracies,
    linear_probe,
    nearest_neighbours,
    negative_elbo,
    nll_gap,
    probe,
)
from vae.evaluation.yardstick import score
from vae.splits import Splits
from vae.training import fit

Probe = Callable[[np.ndarray, np.ndarray, np.ndarray, np.ndarray], float]
both = pytest.mark.parametrize("tell", [linear_probe, nearest_neighbours])


def classes(n: int, distance: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Codes of two classes so far apart, in the second of two dimensions, and their labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    codes = rng.normal(size=(n, 2))
    codes[:, 1] += distance * labels
    return codes, labels


@both
def test_classes_that_lie_apart_are_told_and_those_that_do_not_are_guessed(tell: Probe) -> None:
    assert tell(*classes(100, 20), *classes(60, 20, seed=1)) == 1
    assert tell(*classes(300, 0), *classes(300, 0, seed=1)) == pytest.approx(0.5, abs=0.1)


@both
def test_one_class_has_but_one_answer(tell: Probe) -> None:
    train, _ = classes(10, 0)
    test = np.array([3, 3, 3, 4])
    assert tell(train, np.full(10, 3), train[:4], test) == 0.75


def test_the_unit_of_a_code_does_not_matter_to_a_regression() -> None:
    """A dimension that counts may be a thousandth of one that does not."""
    (train, labels), (test, expected) = classes(200, 3), classes(200, 3, seed=1)
    unit = np.array([1000, 1e-3])
    scaled = linear_probe(unit * train, labels, unit * test, expected)
    assert scaled == linear_probe(train, labels, test, expected) > 0.85


def test_of_fewer_codes_than_neighbours_all_have_a_say() -> None:
    train, labels = np.zeros((5, 2)), np.array([0, 0, 0, 1, 1])
    assert nearest_neighbours(train, labels, np.ones((4, 2)), np.array([0, 0, 0, 1])) == 0.75


def labelled(n_train: int = 40) -> Splits:
    data = splits()
    return replace(data, train_labels=np.arange(n_train) % 2, test_labels=np.arange(10) % 2)


def test_without_labels_no_accuracy() -> None:
    model = start().model
    assert dict(accuracies(model, splits())) == {}
    assert dict(accuracies(model, replace(labelled(), test_labels=None))) == {}
    assert set(dict(accuracies(model, labelled()))) == {"test/probe_accuracy", "test/knn_accuracy"}


def test_the_elbo_is_no_better_than_the_yardstick_and_all_is_the_same_again() -> None:
    training = start(SMALL)
    list(fit(training, splits(), until=4))
    model, data = training.model, labelled()
    nll = score(model, data, 50, 10, 0, ("test",))["test"]
    assert negative_elbo(model, data, 10, seed=0) > nll
    found = probe(model, data, 50, 10, seed=0, test_nll=nll)
    assert found == probe(model, data, 50, 10, seed=0, test_nll=nll)
    assert found["test/bound_gap"] > 0
    assert found["test/nll_gap"] == nll_gap(model, data, 50, 10, seed=0)


def test_a_model_is_no_worse_on_what_it_has_learned_by_heart() -> None:
    """Tested on the very images that it was trained on, the gap is none."""
    model = start().model
    same = splits()
    same = replace(same, test=same.train, test_pixels=same.train_pixels)
    assert nll_gap(model, same, 5, 10, seed=0) == 0
