from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.distributions import Normal, kl_divergence

from vae.distributions import DiagonalNormal


def some(seed: int, scale: float = 1.0) -> DiagonalNormal:
    generator = torch.Generator().manual_seed(seed)
    mean = torch.randn(3, 5, generator=generator, dtype=torch.float64) * scale
    log_var = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    return DiagonalNormal(mean, log_var)


def as_torch(q: DiagonalNormal) -> Normal:
    return Normal(q.mean, torch.exp(q.log_var / 2))


@given(st.integers(0, 10_000), st.floats(0, 10))
def test_kl_equals_the_library_s(seed: int, scale: float) -> None:
    q = some(seed, scale)
    expected = kl_divergence(as_torch(q), Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(q.kl_to_standard_normal(), expected)


@given(st.integers(0, 10_000))
def test_log_prob_equals_the_library_s(seed: int) -> None:
    q = some(seed)
    z = torch.randn(7, 3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(q.log_prob(z), as_torch(q).log_prob(z).sum(-1))


@settings(max_examples=10)
@given(st.integers(0, 10_000))
def test_closed_form_kl_equals_monte_carlo_kl(seed: int) -> None:
    q = some(seed)
    n = 40_000
    noise = torch.randn(n, 3, 5, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    z = q.rsample(noise)
    draws = q.log_prob(z) - Normal(0.0, 1.0).log_prob(z).sum(-1)
    error = (draws.mean(0) - q.kl_to_standard_normal()).abs()
    assert (error < 6 * draws.std(0) / n**0.5).all()


def test_kl_is_zero_exactly_at_the_prior() -> None:
    zeros = torch.zeros(2, 4)
    assert DiagonalNormal(zeros, zeros).kl_to_standard_normal().tolist() == [0.0, 0.0]


@given(st.integers(0, 10_000))
def test_the_log_density_from_the_noise_is_that_of_the_code(seed: int) -> None:
    q = some(seed)
    noise = torch.randn(7, 3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(q.log_prob_of_noise(noise), q.log_prob(q.rsample(noise)))


@pytest.mark.parametrize("log_var", [-40.0, -88.0, -120.0, -1000.0])
def test_a_tiny_variance_does_not_spoil_the_log_density_from_the_noise(log_var: float) -> None:
    """In float32, where z - mean is rounded to nothing and exp(-log_var) overflows."""
    q = DiagonalNormal(torch.ones(1, 3), torch.full((1, 3), log_var))
    noise = torch.tensor([[0.5, -1.0, 2.0]])
    expected = -0.5 * (0.25 + 1.0 + 4.0 + 3 * (log_var + 1.8378770664093453))
    torch.testing.assert_close(q.log_prob_of_noise(noise), torch.tensor([expected]))


def test_the_log_density_from_the_noise_passes_gradients_to_the_variance_alone() -> None:
    """Of z = mean + σ · noise, the density at z does not depend on the mean."""
    q = DiagonalNormal(torch.zeros(1, 2, requires_grad=True), torch.zeros(1, 2, requires_grad=True))
    q.log_prob_of_noise(torch.ones(1, 2)).sum().backward()
    assert q.mean.grad is None
    assert q.log_var.grad is not None
    assert q.log_var.grad.tolist() == [[-0.5, -0.5]]
