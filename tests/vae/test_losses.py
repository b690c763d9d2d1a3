from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Bernoulli, Normal
from torch.distributions import ContinuousBernoulli as LibraryContinuousBernoulli

from vae.components import registry
from vae.components.component import check_component
from vae.losses import BinaryCrossEntropy, ContinuousBernoulli, Gaussian, Loss, SumOfSquaredErrors

every_loss = pytest.mark.parametrize(
    "loss", [check_component("loss", name).make() for name in registry.LOSSES]
)


def pixels(seed: int) -> torch.Tensor:
    return torch.rand(4, 1, 3, 5, generator=torch.Generator().manual_seed(seed))


def test_sse_sums_over_pixels_by_hand() -> None:
    logits = torch.zeros(1, 1, 1, 3)  # means of one half
    x = torch.tensor([[[[0.0, 0.5, 1.0]]]])
    assert SumOfSquaredErrors.reconstruction(logits, x).tolist() == [0.5]


@given(st.integers(0, 10_000))
def test_bce_is_the_bernoulli_s_negative_log_likelihood(seed: int) -> None:
    logits = torch.randn(4, 1, 3, 5, generator=torch.Generator().manual_seed(seed))
    bits = pixels(seed).round()
    expected = -Bernoulli(logits=logits).log_prob(bits).flatten(1).sum(1)
    torch.testing.assert_close(BinaryCrossEntropy.reconstruction(logits, bits), expected)


@given(st.floats(-15, 15), st.floats(0, 1))
def test_continuous_bernoulli_is_the_library_s(logit: float, pixel: float) -> None:
    logits = torch.full((1, 1, 1, 1), logit, dtype=torch.float64)
    x = torch.full_like(logits, pixel)
    library = LibraryContinuousBernoulli(logits=logits, validate_args=False)
    torch.testing.assert_close(
        ContinuousBernoulli.reconstruction(logits, x),
        -library.log_prob(x).flatten(),
        rtol=1e-4,  # the library's own series around one half is a short one
        atol=1e-4,
    )
    torch.testing.assert_close(ContinuousBernoulli.mean(logits), library.mean, rtol=0, atol=2e-4)


@given(st.floats(-30, 30))
def test_continuous_bernoulli_integrates_to_one(logit: float) -> None:
    n = 20_001
    x = torch.linspace(0, 1, n, dtype=torch.float64)
    logits = torch.full((n, 1, 1, 1), logit, dtype=torch.float64)
    density = torch.exp(-ContinuousBernoulli.reconstruction(logits, x[:, None, None, None]))
    assert torch.trapezoid(density, x).item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("sign", [-1, 1])
def test_continuous_bernoulli_s_series_meets_its_closed_form(sign: int) -> None:
    edge = ContinuousBernoulli._SERIES_BELOW * sign
    below, above = (torch.full((1, 1, 1, 1), edge * f) for f in (1 - 1e-6, 1 + 1e-6))
    x = torch.full_like(below, 0.3)
    torch.testing.assert_close(
        ContinuousBernoulli.reconstruction(below, x), ContinuousBernoulli.reconstruction(above, x)
    )
    torch.testing.assert_close(ContinuousBernoulli.mean(below), ContinuousBernoulli.mean(above))


@every_loss
@pytest.mark.parametrize("logit", [-1e4, -50.0, -1e-3, 0.0, 1e-3, 50.0, 1e4])
def test_extreme_logits_give_finite_losses_gradients_and_means(loss: Loss, logit: float) -> None:
    logits = torch.full((1, 1, 2, 2), logit, requires_grad=True)
    value = loss.reconstruction(logits, torch.tensor([[[[0.0, 0.2], [0.8, 1.0]]]]))
    value.sum().backward()
    assert logits.grad is not None
    assert value.isfinite().all()
    assert logits.grad.isfinite().all()
    assert ((loss.mean(logits) >= 0) & (loss.mean(logits) <= 1)).all()


@every_loss
def test_losses_are_per_image(loss: Loss) -> None:
    logits, x = torch.randn(4, 1, 3, 5, generator=torch.Generator().manual_seed(0)), pixels(0)
    together = loss.reconstruction(logits, x)
    one_by_one = [loss.reconstruction(logits[i : i + 1], x[i : i + 1]) for i in range(4)]
    torch.testing.assert_close(together, torch.cat(one_by_one))


@given(st.integers(0, 10_000), st.floats(-5, 2))
def test_gaussian_is_the_library_s_with_one_sigma(seed: int, log_sigma: float) -> None:
    logits = torch.randn(4, 1, 3, 5, generator=torch.Generator().manual_seed(seed))
    loss = Gaussian()
    with torch.no_grad():
        loss.free_log_sigma.fill_(log_sigma)
    library = Normal(torch.sigmoid(logits), loss.log_sigma.exp())
    expected = -library.log_prob(pixels(seed)).flatten(1).sum(1)
    torch.testing.assert_close(loss.reconstruction(logits, pixels(seed)), expected)


def test_gaussian_learns_the_variance_of_its_errors() -> None:
    loss, logits = Gaussian(), torch.zeros(64, 1, 8, 8)
    noise = torch.randn(logits.shape, generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(loss.parameters(), lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        loss.reconstruction(logits, 0.5 + 0.05 * noise).mean().backward()
        optimizer.step()
    assert loss.log_sigma.exp().item() == pytest.approx(0.05 * noise.std().item(), rel=0.02)


def test_gaussian_s_sigma_has_a_floor() -> None:
    loss = Gaussian()
    with torch.no_grad():
        loss.free_log_sigma.fill_(-1e6)
    assert loss.log_sigma.item() == pytest.approx(-6)
