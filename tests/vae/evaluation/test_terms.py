from __future__ import annotations

import math

import pytest
import torch

from tests.vae.test_training import splits, start
from vae.errors import Diverged
from vae.evaluation.terms import check_finite, evaluate
from vae.training import fit


def test_means_are_those_of_one_large_batch() -> None:
    training = start()
    data = splits()
    list(fit(training, data, 2))
    terms = evaluate(training.model, data.test, seed=0)
    x = data.test.batch(torch.arange(10))
    kl = training.model.encoder(x).kl_to_standard_normal().mean().item()
    assert terms.kl == pytest.approx(kl, rel=1e-6)
    assert evaluate(training.model, data.test, seed=0) == terms
    assert evaluate(training.model, data.test, seed=1) != terms


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_final_metric_that_is_no_number_is_divergence(value: float) -> None:
    """ray#31276"""
    check_finite({"return": -100.0, "test/nll": 90.0})
    with pytest.raises(Diverged, match="test/nll is not finite"):
        check_finite({"return": -100.0, "test/nll": value})
