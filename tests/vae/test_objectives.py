"""Objectives: free bits, the importance-weighted bound, and both with every likelihood."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vae.test_model import every_loss, images
from tests.vae.test_training import small, splits, start
from vae.configuration import Configuration
from vae.distributions import DiagonalNormal
from vae.model import VAE, fresh_model
from vae.objectives import Elbo, minimised
from vae.training import fit


def iwae(samples: int, loss: str = "bce", **fields: object) -> Configuration:
    named = {"hidden_dim": 8, "latent_dim": 3, "loss": loss, **fields}
    return Configuration(objective="iwae", **named, **{"objective.samples": samples})


def log_weights(model: VAE, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """By torch's own distributions, one code after another: `(k, batch)`."""
    q_z = model.encoder(x)
    q = torch.distributions.Normal(q_z.mean, torch.exp(0.5 * q_z.log_var))
    weights = []
    for one in noise:
        z = q_z.rsample(one)
        log_p_z = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
        log_p_x = -model.loss.reconstruction(model.decoder(z), x)
        weights.append(log_p_x + log_p_z - q.log_prob(z).sum(1))
    return torch.stack(weights)


@every_loss
@pytest.mark.parametrize("samples", [1, 7])
def test_the_bound_by_hand(loss: str, samples: int) -> None:
    model = fresh_model(iwae(samples, loss), (1, 6, 6), seed=0)
    x = images((1, 6, 6))
    noise = torch.randn(model.noise_shape(4), generator=torch.Generator().manual_seed(1))
    assert noise.shape == (samples, 4, 3)
    bound = minimised(model.training_terms(x, noise), beta=1.0)
    weights = log_weights(model, x, noise).double()
    expected = math.log(samples) - torch.logsumexp(weights, 0)
    torch.testing.assert_close(bound.double(), expected, rtol=1e-5, atol=1e-5)


@every_loss
def test_one_importance_sample_is_a_one_sample_elbo(loss: str) -> None:
    """log p(x | z) + log p(z) − log q(z | x), whose mean over z is the ELBO, term by term."""
    model = fresh_model(iwae(1, loss), (1, 6, 6), seed=0)
    x, source = images((1, 6, 6)), torch.Generator().manual_seed(1)
    noise = torch.randn(4000, 1, 4, 3, generator=source)
    with torch.inference_mode():
        differences = []
        for one in noise:
            bound = minimised(model.training_terms(x, one), beta=1.0)
            reconstruction, kl = model.elbo_terms(x, one[0])
            differences.append(bound - (reconstruction + kl))
    gap = torch.stack(differences)  # log q − log p of the code, less its mean: the KL
    assert (gap.mean(0).abs() < 5 * gap.std(0) / len(noise) ** 0.5).all()


@every_loss
def test_the_elbo_s_terms_are_reported_whatever_is_minimised(loss: str) -> None:
    x = images((1, 6, 6))
    one, many = (fresh_model(iwae(k, loss), (1, 6, 6), seed=0) for k in (1, 5))
    noise = torch.randn(5, 4, 3, generator=torch.Generator().manual_seed(1))
    each = [one.training_terms(x, n[None])[0] for n in noise]
    reconstruction, kl, _ = many.training_terms(x, noise)
    torch.testing.assert_close(reconstruction, torch.stack(each).mean(0))
    torch.testing.assert_close(kl, one.encoder(x).kl_to_standard_normal())


def test_the_bound_is_tighter_with_more_samples() -> None:
    x, source = images((1, 6, 6)), torch.Generator().manual_seed(1)
    bounds = []
    for k in (1, 5, 50):
        model = fresh_model(iwae(k), (1, 6, 6), seed=0)
        with torch.inference_mode():
            noise = torch.randn(2000, k, 4, 3, generator=source)
            bounds.append(torch.stack([model.training_terms(x, n)[2].mean() for n in noise]).mean())
    assert bounds == sorted(bounds, reverse=True)
    assert len(set(bounds)) == 3


@every_loss
def test_a_tiny_posterior_variance_gives_a_finite_bound_and_gradient(loss: str) -> None:
    """ray#31276"""
    model = fresh_model(iwae(5, loss), (1, 6, 6), seed=0)
    with torch.no_grad():
        model.encoder.heads.bias[3:] = -200.0
    noise = torch.randn(5, 4, 3, generator=torch.Generator().manual_seed(1))
    bound = minimised(model.training_terms(images((1, 6, 6)), noise), beta=1.0)
    bound.mean().backward()
    assert bound.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_iwae_minimises_its_bound_and_reports_the_elbo() -> None:
    configuration = small(loss="bce", objective="iwae", objective__samples=10, epochs=20)
    history = list(fit(start(configuration), splits(), 20))
    for terms in (history[-1].train, history[-1].val):
        assert terms.minimised is not None
        assert terms.loss(beta=1.0) == terms.minimised
        assert terms.minimised < terms.reconstruction + terms.kl
        assert terms.episodic_return == -(terms.reconstruction + terms.kl)
    assert history[-1].train.loss(1.0) < history[0].train.loss(1.0)


# ----------------------------------------------------------------------- free bits


class Fixed(torch.nn.Module):
    """An encoder of four images whose q(z | x) are parameters."""

    def __init__(self, mean: torch.Tensor, log_var: torch.Tensor) -> None:
        super().__init__()
        self.mean, self.log_var = torch.nn.Parameter(mean), torch.nn.Parameter(log_var)

    def forward(self, x: torch.Tensor) -> DiagonalNormal:
        return DiagonalNormal(self.mean, self.log_var)


def blind_model(mean: torch.Tensor, log_var: torch.Tensor, free_bits: float) -> VAE:
    """A decoder that ignores the code, so that every gradient of q is the KL's."""
    configuration = Configuration(hidden_dim=4, latent_dim=mean.shape[1], free_bits=free_bits)
    model = fresh_model(configuration, (1, 2, 2), seed=0)
    model.encoder = Fixed(mean, log_var)
    with torch.no_grad():
        for weight in model.decoder.parameters():
            weight.zero_()
    return model


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.floats(0.05, 3))
def test_free_bits_pass_a_gradient_above_the_threshold_and_none_below(
    seed: int, free_bits: float
) -> None:
    source = torch.Generator().manual_seed(seed)
    mean, log_var = torch.randn(4, 6, generator=source), torch.randn(4, 6, generator=source)
    model = blind_model(mean.clone(), log_var.clone(), free_bits)
    loss = minimised(model.training_terms(torch.rand(4, 1, 2, 2), torch.zeros(4, 6), 1.0), 1.0)
    loss.mean().backward()
    above = DiagonalNormal(mean, log_var).kl_per_dimension().mean(0) > free_bits
    assert model.encoder.mean.grad is not None
    assert model.encoder.log_var.grad is not None
    expected = torch.where(above, mean / 4, 0.0)  # of ½ mean², over the batch of four
    torch.testing.assert_close(model.encoder.mean.grad, expected)
    assert (model.encoder.log_var.grad[:, ~above] == 0).all()
    assert (model.encoder.log_var.grad[:, above] != 0).all()


def test_free_bits_are_of_the_batch_s_mean_and_beta_weighs_them() -> None:
    mean = torch.tensor([[2.0, 0.1], [0.0, 0.1], [0.0, 0.1], [0.0, 0.1]])  # KLs ½ and 0.005
    model = blind_model(mean, torch.zeros(4, 2), free_bits=0.2)
    x, noise = torch.rand(4, 1, 2, 2), torch.zeros(4, 2)
    reconstruction, kl, loss = model.training_terms(x, noise, 3.0)
    torch.testing.assert_close(loss, reconstruction + 3 * (0.5 + 0.2))
    torch.testing.assert_close(kl, torch.tensor([2.005, 0.005, 0.005, 0.005]))


def test_free_bits_keep_dimensions_in_use() -> None:
    """At a weight that makes every dimension collapse, each keeps about what it may have."""
    fields = {"epochs": 150, "lr": 1e-2, "beta": 30, "latent_dim": 2}
    used = []
    for free_bits in (0, 0.5):
        configuration = small(**fields, free_bits=free_bits)
        training = start(configuration)
        list(fit(training, splits(), 150))
        x = splits().train.batch(torch.arange(40))
        used.append(training.model.encoder(x).kl_per_dimension().mean(0))
    assert (used[0] < 0.1).any()
    assert (used[1] > 0.15).all()


@given(st.floats(0, 5))
def test_no_free_bits_are_the_elbo_itself(beta: float) -> None:
    model = fresh_model(Configuration(hidden_dim=8, latent_dim=3), (1, 6, 6), seed=0)
    x, noise = images((1, 6, 6)), torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    reconstruction, kl = model.training_terms(x, noise, beta)
    assert torch.equal(minimised((reconstruction, kl), beta), reconstruction + beta * kl)
    assert isinstance(model.objective, Elbo)
    assert model.minimises_elbo
