"""Diagnostics of the latent space, on models whose answers are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vae.test_training import SMALL, splits, start
from vae.distributions import DiagonalNormal
from vae.evaluation.diagnostics import active_units, latent_use, mutual_information, posteriors
from vae.model import VAE
from vae.training import fit


def linear_gaussian(
    scales: list[float], noise: list[float], n: int, seed: int = 0
) -> DiagonalNormal:
    """x ~ N(0, I) and z_j = scale_j x_j + noise_j ε: posteriors of `n` images."""
    source = torch.Generator().manual_seed(seed)
    mean = torch.randn(n, len(scales), generator=source) * torch.tensor(scales)
    log_var = 2 * torch.tensor(noise).log().expand(n, -1)
    return DiagonalNormal(mean, log_var)


def some_noise(n: int, n_dims: int) -> torch.Tensor:
    return torch.randn(n, n_dims, generator=torch.Generator().manual_seed(9))


@settings(max_examples=20)
@given(
    st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(0.5, 1.0)), min_size=1, max_size=3),
)
def test_the_information_in_a_linear_gaussian_code(pairs: list[tuple[float, float]]) -> None:
    """I(x; z) = Σ ½ log(1 + scale² / noise²)."""
    scales, noise = [s for s, _ in pairs], [n for _, n in pairs]
    truth = sum(0.5 * math.log1p((s / n) ** 2) for s, n in pairs)
    q_z = linear_gaussian(scales, noise, n=2000)
    found = mutual_information(q_z, some_noise(2000, len(pairs)))
    assert found == pytest.approx(truth, abs=0.05 + 0.05 * truth)


@pytest.mark.parametrize("n", [20, 500])
@pytest.mark.parametrize("log_var", [-20.0, -100.0, -1000.0])
def test_codes_that_tell_all_images_apart_carry_log_n(n: int, log_var: float) -> None:
    """Also where a variance is below what float32 can hold."""
    mean = torch.randn(n, 5, generator=torch.Generator().manual_seed(0))
    q_z = DiagonalNormal(mean, torch.full((n, 5), log_var))
    assert mutual_information(q_z, some_noise(n, 5)) == pytest.approx(math.log(n), abs=1e-6)


@given(st.floats(-3, 3), st.floats(-10, 2))
def test_a_collapsed_posterior_carries_nothing_and_has_no_active_unit(
    mean: float, log_var: float
) -> None:
    """q(z | x) the same for every image, at the prior or anywhere else."""
    q_z = DiagonalNormal(torch.full((300, 4), mean), torch.full((300, 4), log_var))
    assert mutual_information(q_z, some_noise(100, 4)) == pytest.approx(0, abs=1e-9)
    assert active_units(q_z) == 0


def test_information_is_what_is_left_of_the_kl_without_the_marginal_s() -> None:
    """Hoffman & Johnson's equation, with the mixture's KL by Monte Carlo of many codes."""
    q_z = linear_gaussian([1.5, 0.4, 0.0], [0.5, 0.8, 1.3], n=200)
    noise = torch.randn(200, 200, 3, generator=torch.Generator().manual_seed(1))
    found = np.mean([mutual_information(q_z, one) for one in noise])
    z = q_z.rsample(noise).double().view(-1, 3)
    spread = torch.distributions.Normal(q_z.mean.double(), torch.exp(q_z.log_var.double() / 2))
    marginal_kl = 0.0
    for some in z.split(4000):
        log_q = torch.logsumexp(spread.log_prob(some[:, None]).sum(-1), 1) - math.log(200)
        marginal_kl += (log_q - DiagonalNormal.standard_log_prob(some)).sum().item() / len(z)
    kl = q_z.kl_to_standard_normal().double().mean().item()
    assert found == pytest.approx(kl - marginal_kl, abs=0.02)


@pytest.mark.parametrize(
    ("scales", "expected"), [([1.0, 0.2, 0.0], 2), ([0.09, 0.11], 1), ([0.0] * 5, 0), ([2.0], 1)]
)
def test_active_units_have_a_mean_whose_variance_is_above_a_hundredth(
    scales: list[float], expected: int
) -> None:
    """Whatever the posterior's own variance is."""
    for noise in (0.01, 3.0):
        q_z = linear_gaussian(scales, [noise] * len(scales), n=20_000)
        assert active_units(q_z) == expected


def test_the_variance_is_divided_by_n() -> None:
    """Two images 0.2 apart: 0.01 divided by n, which is not above it; 0.02 by n − 1."""
    edge = DiagonalNormal(torch.tensor([[0.0], [0.2 - 1e-6]]), torch.zeros(2, 1))
    beyond = DiagonalNormal(torch.tensor([[0.0], [0.2 + 1e-6]]), torch.zeros(2, 1))
    assert (active_units(edge), active_units(beyond)) == (0, 1)


def trained(**fields: Any) -> VAE:
    training = start(SMALL.model_copy(update={"epochs": 60, "lr": 1e-2, **fields}))
    list(fit(training, splits(), 60))
    return training.kept_model()


def test_a_trained_model_uses_its_codes_and_one_that_has_collapsed_does_not() -> None:
    data = splits().train
    used = latent_use(trained(latent_dim=4), data, seed=0)
    collapsed = latent_use(trained(latent_dim=4, beta=1000.0), data, seed=0)
    assert used.active_units > 0
    assert used.mutual_information > 0.3
    assert collapsed.active_units == 0
    assert collapsed.mutual_information == pytest.approx(0, abs=0.01)
    assert max(collapsed.kl) < 0.01 < max(used.kl)


def test_the_kl_per_dimension_adds_up_to_the_kl() -> None:
    model, data = trained(latent_dim=3), splits().test
    use = latent_use(model, data, seed=0)
    assert len(use.kl) == 3
    expected = model.encoder(data.batch(torch.arange(10))).kl_to_standard_normal().mean().item()
    assert sum(use.kl) == pytest.approx(expected, rel=1e-5)
    assert use == latent_use(model, data, seed=0)


def test_posteriors_are_the_encoder_s() -> None:
    model, data = start().model, splits().train
    q_z, one = posteriors(model, data), model.encoder(data.batch(torch.tensor([7])))
    torch.testing.assert_close(q_z.mean[7:8], one.mean)
    torch.testing.assert_close(q_z.log_var[7:8], one.log_var)
