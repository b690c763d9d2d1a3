from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.vae.test_training import SMALL, splits, start
from vae import registry
from vae.configuration import Configuration
from vae.distributions import DiagonalNormal
from vae.evaluation import NLL_EPSILON, evaluate, nll, nll_chunks
from vae.losses import BinaryCrossEntropy
from vae.model import VAE, fresh_model
from vae.training import fit
from vae.transforms import Bits, identity, static_bits


def some_bits(n: int = 20, side: int = 6, seed: int = 0) -> Bits:
    gray = np.random.RandomState(seed).randint(0, 256, (n, 1, side, side)).astype(np.uint8)
    return static_bits(gray, 0)


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

    def encoder(self, x: Tensor) -> DiagonalNormal:  # type: ignore[override]
        mean = (x.flatten(1) - 0.5) @ self.weight * 0.1
        return DiagonalNormal(mean, torch.full_like(mean, -0.5))

    def decoder(self, z: Tensor) -> Tensor:  # type: ignore[override]
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
    assert nll(toy, bits, bits, n_samples=20_000, seed=0) == pytest.approx(truth, abs=0.01)


def test_the_bound_falls_with_k_on_average() -> None:
    toy, bits = LinearToy(side=4), some_bits(n=200, side=4)
    truth = -toy.true_log_p(bits.batch(torch.arange(len(bits)))).mean().item()
    means = [
        np.mean([nll(toy, bits, bits, k, seed) for seed in range(10)]) for k in (1, 3, 10, 100)
    ]
    assert means == sorted(means, reverse=True)
    assert len(set(means)) == 4
    assert means[-1] > truth - 0.01


def test_one_sample_s_expectation_is_the_elbo() -> None:
    model = fresh_model(Configuration(latent_dim=3, hidden_dim=8, loss="bce"), (1, 6, 6), seed=0)
    bits = some_bits()
    n = 3000
    draws = np.array([nll(model, bits, bits, 1, seed) for seed in range(n)])
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
        def encoder(self, x: Tensor) -> DiagonalNormal:  # type: ignore[override]
            return DiagonalNormal(torch.zeros(len(x), 1), torch.zeros(len(x), 1))

    toy, bits = NoLatent(side=4, scale=0.0), some_bits(n=33, side=4)
    bounds = torch.cat(list(nll_chunks(toy, bits, bits, n_samples, seed=0)))
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
    bound = torch.cat(list(nll_chunks(model, bits, bits, 1, seed=5)))
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
    on_gray = nll(model, identity(gray, 0), bits, 50, seed=0)
    on_bits = nll(model, bits, bits, 50, seed=0)
    assert on_gray == pytest.approx(on_bits, rel=0.05)
    assert on_gray != on_bits
