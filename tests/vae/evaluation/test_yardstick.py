from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.vae.test_training import SMALL
from vae.components import registry
from vae.configuration import Configuration
from vae.distributions import DiagonalNormal
from vae.errors import Diverged
from vae.evaluation.yardstick import (
    NLL_EPSILON,
    Bernoulli,
    Discretised,
    bits_per_dim,
    estimate_nll,
    likelihood,
    nll,
    nll_chunks,
)
from vae.losses import BinaryCrossEntropy
from vae.model import VAE, fresh_model
from vae.transforms import Bits, GrayValues, identity, static_bits


def some_bits(n: int = 20, side: int = 6, seed: int = 0) -> Bits:
    gray = np.random.RandomState(seed).randint(0, 256, (n, 1, side, side)).astype(np.uint8)
    return static_bits(gray, 0)


class LinearToy(VAE):
    """p(x | z) = Bernoulli(σ(w z + b)) with one latent dimension: p(x) is an integral we can do.

    Its proposal is off on purpose: any gives a valid bound.
    """

    def __init__(self, side: int, scale: float = 1.0) -> None:
        nn.Module.__init__(self)
        self.latent_dim = 1
        self.loss = BinaryCrossEntropy
        self.side = side
        source = torch.Generator().manual_seed(3)
        self.weight = nn.Parameter(torch.randn(side * side, 1, generator=source) * scale)
        self.bias = nn.Parameter(torch.randn(side * side, generator=source) * 0.5)

    def encoder(self, x: Tensor) -> DiagonalNormal:
        mean = (x.flatten(1) - 0.5) @ self.weight * 0.1
        return DiagonalNormal(mean, torch.full_like(mean, -0.5))

    def decoder(self, z: Tensor) -> Tensor:
        return (z @ self.weight.T + self.bias).view(-1, 1, self.side, self.side)

    def true_log_p(self, x: Tensor) -> Tensor:
        """By quadrature over z, `(batch,)`."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(200)
        z = torch.from_numpy(nodes).double()[:, None]
        logits = (z @ self.weight.double().T + self.bias.double())[:, None]
        bits = x.flatten(1).double()[None]
        log_p = (bits * logits - nn.functional.softplus(logits)).sum(-1)
        log_prior = torch.from_numpy(np.log(weights / weights.sum()))[:, None]
        return torch.logsumexp(log_p + log_prior, dim=0)


def test_many_samples_meet_the_truth() -> None:
    toy, bits = LinearToy(side=4), some_bits(side=4)
    truth = -toy.true_log_p(bits.batch(torch.arange(len(bits)))).mean().item()
    assert nll(toy, bits, bits, Bernoulli(), 20_000, seed=0) == pytest.approx(truth, abs=0.01)


def test_the_bound_falls_with_k_on_average() -> None:
    toy, bits = LinearToy(side=4), some_bits(n=200, side=4)
    truth = -toy.true_log_p(bits.batch(torch.arange(len(bits)))).mean().item()
    means = [
        np.mean([nll(toy, bits, bits, Bernoulli(), k, seed) for seed in range(10)])
        for k in (1, 3, 10, 100)
    ]
    assert means == sorted(means, reverse=True)
    assert len(set(means)) == 4
    assert means[-1] > truth - 0.01


def test_one_sample_s_expectation_is_the_elbo() -> None:
    model = fresh_model(Configuration(latent_dim=3, hidden_dim=8, loss="bce"), (1, 6, 6), seed=0)
    bits = some_bits()
    n = 3000
    draws = np.array([nll(model, bits, bits, Bernoulli(), 1, seed) for seed in range(n)])
    x = bits.batch(torch.arange(len(bits)))
    source = torch.Generator().manual_seed(0)
    elbos = []
    with torch.inference_mode():
        for _ in range(n):
            noise = torch.randn(len(bits), 3, generator=source)
            elbos.append(sum(t.mean().item() for t in model.elbo_terms(x, noise)))
    error = np.hypot(draws.std(), np.std(elbos)) / math.sqrt(n)
    assert draws.mean() == pytest.approx(np.mean(elbos), abs=5 * error)


@pytest.mark.parametrize("n_samples", [7, 499, 500, 501, 1200])
def test_chunks_cover_every_image_and_sample_once(n_samples: int) -> None:
    """With an exact proposal every weight is p(x): the bound is tight whatever the chunks."""

    class NoLatent(LinearToy):
        def encoder(self, x: Tensor) -> DiagonalNormal:
            return DiagonalNormal(torch.zeros(len(x), 1), torch.zeros(len(x), 1))

    toy, bits = NoLatent(side=4, scale=0.0), some_bits(n=33, side=4)
    bounds = torch.cat(list(nll_chunks(toy, bits, bits, Bernoulli(), n_samples, seed=0)))
    truth = toy.true_log_p(bits.batch(torch.arange(33))).float()
    torch.testing.assert_close(bounds, truth, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("loss", registry.LOSSES)
def test_the_likelihood_reads_the_mean_as_probabilities_and_clamps_them(loss: str) -> None:
    configuration = SMALL.model_copy(update={"loss": loss})
    model = fresh_model(configuration, (1, 6, 6), seed=0)
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.mul_(30)  # far into saturation
        for parameter in model.encoder.heads.parameters():
            parameter.zero_()  # q(z | x) = p(z), which leaves the likelihood alone
    bits = some_bits()
    bound = torch.cat(list(nll_chunks(model, bits, bits, Bernoulli(), 1, seed=5)))
    # The same noise again, by way of probabilities.
    from vae.randomness import generator

    noise = torch.randn(1, len(bits), 2, generator=generator(5, "nll"))
    p = model.decode(noise[0]).double().clamp(NLL_EPSILON, 1 - NLL_EPSILON).flatten(1)
    x = bits.batch(torch.arange(len(bits))).double().flatten(1)
    expected = (x * p.log() + (1 - x) * (1 - p).log()).sum(1)
    torch.testing.assert_close(bound.double(), expected.detach(), rtol=1e-4, atol=1e-3)


def test_gray_and_bit_trained_models_stand_on_one_scale() -> None:
    """The proposal sees the model's own images, the likelihood the same bits."""
    model = fresh_model(SMALL, (1, 6, 6), seed=0)
    gray = np.random.RandomState(0).randint(0, 256, (20, 1, 6, 6)).astype(np.uint8)
    bits = static_bits(gray, 0)
    on_gray = nll(model, identity(gray, 0), bits, Bernoulli(), 50, seed=0)
    on_bits = nll(model, bits, bits, Bernoulli(), 50, seed=0)
    assert on_gray == pytest.approx(on_bits, rel=0.05)
    assert on_gray != on_bits


# ------------------------------------------------------------------- what was NaN before


class TinyVariance(LinearToy):
    """Its proposal is around one point, and as narrow as it is told."""

    def __init__(self, log_var: float) -> None:
        super().__init__(side=4)
        self.log_var = log_var

    def encoder(self, x: Tensor) -> DiagonalNormal:
        mean = torch.full((len(x), 1), 0.7)
        return DiagonalNormal(mean, torch.full_like(mean, self.log_var))


@pytest.mark.parametrize("log_var", [-5.0, -40.0, -88.0, -100.0])
def test_a_narrow_proposal_has_the_bound_that_arithmetic_in_double_gives(log_var: float) -> None:
    """Every code is the mean, nearly: log p(x | mean) + log p(mean) − mean log q."""
    toy, bits = TinyVariance(log_var), some_bits(side=4)
    found = -torch.cat(list(nll_chunks(toy, bits, bits, Bernoulli(), 1, seed=3))).double()
    from vae.randomness import generator

    noise = torch.randn(1, len(bits), 1, generator=generator(3, "nll"))[0].double()
    z = 0.7 + math.exp(log_var / 2) * noise
    logits = z @ toy.weight.double().T + toy.bias.double()
    x = bits.batch(torch.arange(len(bits))).flatten(1).double()
    log_p = (x * logits - nn.functional.softplus(logits)).sum(1)
    log_prior = -0.5 * (z.square() + math.log(2 * math.pi)).sum(1)
    log_q = -0.5 * (noise.square() + log_var + math.log(2 * math.pi)).sum(1)
    torch.testing.assert_close(found, -(log_p + log_prior - log_q), rtol=1e-4, atol=1e-3)


def test_a_bound_that_is_not_finite_is_divergence() -> None:
    """ray#31276"""
    toy, bits = TinyVariance(math.inf), some_bits(side=4)
    with pytest.raises(Diverged, match="not finite"):
        nll(toy, bits, bits, Bernoulli(), 2, seed=0)


# --------------------------------------------------------------- the discretised yardstick


def normal_mass(low: float, high: float) -> float:
    return 0.5 * (math.erf(high / math.sqrt(2)) - math.erf(low / math.sqrt(2)))


def test_the_mass_of_each_value_is_that_computed_by_hand() -> None:
    sigma, mean = 0.1, 0.4
    values = torch.tensor([0, 1, 101, 102, 103, 200, 254, 255]) / 255
    found = Discretised(sigma).log_mass(torch.full_like(values, mean), values)
    half = 0.5 / 255
    expected = [
        math.log(
            normal_mass(
                -math.inf if x == 0 else (x - half - mean) / sigma,
                math.inf if x == 1 else (x + half - mean) / sigma,
            )
        )
        for x in values.double().tolist()
    ]
    assert found.tolist() == pytest.approx(expected, rel=2e-4, abs=1e-4)


@given(st.floats(0, 1), st.floats(1e-6, 10).map(math.sqrt))
def test_the_masses_of_all_values_sum_to_one(mean: float, sigma: float) -> None:
    values = torch.arange(256) / 255
    log_mass = Discretised(sigma).log_mass(torch.full_like(values, mean), values)
    assert not log_mass.isnan().any()
    assert log_mass.double().exp().sum().item() == pytest.approx(1, abs=1e-3)


@given(st.floats(0.001, 0.05), st.integers(0, 255), st.integers(0, 255))
def test_far_tails_agree_with_double_precision(sigma: float, value: int, mean: int) -> None:
    """Where float32's own tail has ended at 13 σ, and near to where the two meet at 12 σ."""
    x, mu = torch.tensor([value / 255]), torch.tensor([mean / 255])
    found = Discretised(sigma).log_mass(mu, x).item()
    distance = abs(x.double() - mu.double()).item()
    near = torch.tensor((distance - 0.5 / 255) / sigma, dtype=torch.float64)
    far = torch.tensor((distance + 0.5 / 255) / sigma, dtype=torch.float64)
    log_near = torch.special.log_ndtr(-near)
    log_far = torch.special.log_ndtr(-far) if 0 < value < 255 else torch.tensor(-math.inf)
    expected = (log_near + torch.log1p(-torch.exp(log_far - log_near))).item()
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_bits_per_dim_are_of_every_value_of_every_channel() -> None:
    colour = GrayValues(torch.zeros(3, 3, 4, 5, dtype=torch.uint8))
    assert bits_per_dim(60 * 8 * math.log(2), colour) == pytest.approx(8)


class _AsItIs:
    @staticmethod
    def mean(decoded: Tensor) -> Tensor:
        return decoded


class LinearGaussian(VAE):
    """x = w z + b + σ ε with two latents: log p(x) is that of N(b, w wᵀ + σ²), exactly.

    Its proposal is the exact posterior widened a little, so that a few samples suffice.
    """

    sigma = 0.05

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.latent_dim = 2
        source = torch.Generator().manual_seed(1)
        self.weight = nn.Parameter(torch.randn(12, 2, generator=source) * 0.04)
        self.bias = nn.Parameter(0.5 + torch.randn(12, generator=source) * 0.05)
        self.loss = _AsItIs()  # type: ignore[assignment]
        precision = torch.eye(2) + self.weight.T @ self.weight / self.sigma**2
        self.covariance = torch.linalg.inv(precision.detach())

    def encoder(self, x: Tensor) -> DiagonalNormal:
        mean = (x.flatten(1) - self.bias) @ self.weight / self.sigma**2 @ self.covariance
        variance = 1.5 * self.covariance.diagonal()
        return DiagonalNormal(mean, variance.log().expand(len(x), 2))

    def decoder(self, z: Tensor) -> Tensor:
        return (z @ self.weight.T + self.bias).view(-1, 3, 2, 2)

    def samples(self, n: int, seed: int) -> GrayValues:
        source = torch.Generator().manual_seed(seed)
        z = torch.randn(n, 2, generator=source)
        x = self.decoder(z) + self.sigma * torch.randn(n, 3, 2, 2, generator=source)
        return GrayValues((x.detach() * 255).round().clamp(0, 255).byte())

    def true_log_p(self, pixels: GrayValues) -> Tensor:
        """Of the 8-bit values: the density times the volume of their bin."""
        x = pixels.batch(torch.arange(len(pixels))).flatten(1).double()
        w = self.weight.detach().double()
        covariance = w @ w.T + (self.sigma**2 + (1 / 255) ** 2 / 12) * torch.eye(12).double()
        density = torch.distributions.MultivariateNormal(self.bias.detach().double(), covariance)
        return density.log_prob(x) - 12 * math.log(255)


def test_a_linear_gaussian_model_has_its_known_density() -> None:
    model = LinearGaussian()
    images = model.samples(400, seed=0)
    estimate = estimate_nll(model, images, images, Discretised(model.sigma), 500, seed=0)
    truth = -model.true_log_p(images).mean().item()
    # Both are of the same images: what is left is the noise of 500 samples, and the bins' shape.
    assert estimate.mean == pytest.approx(truth, abs=0.03)
    others = model.samples(4000, seed=1)
    expected = -model.true_log_p(others).mean().item()
    assert abs(estimate.mean - expected) < 3 * estimate.standard_error


def test_sigma_is_the_root_of_the_mean_squared_error_on_validation_images() -> None:
    model = LinearGaussian()
    images = model.samples(2000, seed=2)
    how = likelihood("discretised", model, images, images, seed=0)
    assert isinstance(how, Discretised)
    x = images.batch(torch.arange(2000))
    q_z = model.encoder(x)
    spread = (model.weight.square() @ q_z.log_var[0].exp()).mean()
    at_mean = (model.decoder(q_z.mean) - x).square().mean()
    assert how.sigma**2 == pytest.approx((at_mean + spread).item(), rel=0.03)
    assert likelihood("bernoulli", model, images, images, seed=0) == Bernoulli()


def test_every_loss_can_be_read_by_the_discretised_yardstick() -> None:
    values = np.random.RandomState(0).randint(0, 256, (20, 3, 6, 6)).astype(np.uint8)
    images = identity(values, 0)
    for loss in registry.LOSSES:
        model = fresh_model(SMALL.model_copy(update={"loss": loss}), (3, 6, 6), seed=0)
        how = likelihood("discretised", model, images, images, seed=0)
        bound = nll(model, images, images, how, 5, seed=0)
        assert 0 < bits_per_dim(bound, images) < 12
        assert bound == nll(model, images, images, how, 5, seed=0)
