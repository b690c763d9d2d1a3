"""Encoders, decoders and the model around them, over every name and many shapes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vae import registry
from vae.configuration import Configuration
from vae.layers import Shape
from vae.model import fresh_model

SHAPES: list[Shape] = [(1, 28, 28), (3, 32, 32), (1, 7, 5), (3, 1, 9)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_encoder = pytest.mark.parametrize("encoder", registry.ENCODERS)
every_decoder = pytest.mark.parametrize("decoder", registry.DECODERS)
every_loss = pytest.mark.parametrize("loss", registry.LOSSES)


def images(shape: Shape, n: int = 4) -> torch.Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(0))


@every_shape
@every_encoder
@every_decoder
def test_any_network_takes_any_shape(shape: Shape, encoder: str, decoder: str) -> None:
    configuration = Configuration(encoder=encoder, decoder=decoder, hidden_dim=8, latent_dim=3)
    model = fresh_model(configuration, shape, seed=0)
    x = images(shape)
    q_z = model.encoder(x)
    assert q_z.mean.shape == q_z.log_var.shape == (4, 3)
    assert model.reconstruct(x).shape == x.shape
    reconstruction, kl = model.elbo_terms(x, torch.zeros(4, 3))
    assert reconstruction.shape == kl.shape == (4,)


@every_encoder
@every_decoder
@every_loss
def test_every_parameter_gets_a_gradient(encoder: str, decoder: str, loss: str) -> None:
    configuration = Configuration(encoder=encoder, decoder=decoder, loss=loss, hidden_dim=8)
    model = fresh_model(configuration, (1, 28, 28), seed=0)
    noise = torch.randn(4, 20, generator=torch.Generator().manual_seed(1))
    noise = noise.expand(model.noise_shape(4))
    sum(model.training_terms(images((1, 28, 28)), noise)).mean().backward()  # type: ignore[union-attr]
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


IWAE = Configuration(loss="iwae", hidden_dim=8, latent_dim=3, iwae_samples=7)


def test_one_importance_sample_is_a_one_sample_elbo() -> None:
    """log p(x | z) + log p(z) − log q(z | x), whose mean over z is the ELBO."""
    model = fresh_model(IWAE, (1, 6, 6), seed=0)
    x, source = images((1, 6, 6)), torch.Generator().manual_seed(1)
    noise = torch.randn(20_000, 1, 4, 3, generator=source)
    with torch.inference_mode():
        bounds = torch.stack([model.importance_terms(x, n)[2] for n in noise])
        elbos = torch.stack([sum(model.elbo_terms(x, n[0])) for n in noise])  # type: ignore[arg-type]
    error = (bounds.std(0) + elbos.std(0)) / len(noise) ** 0.5
    assert ((bounds.mean(0) - elbos.mean(0)).abs() < 5 * error).all()


def test_the_bound_is_tighter_with_more_samples_and_the_reported_terms_stay() -> None:
    model = fresh_model(IWAE, (1, 6, 6), seed=0)
    x, source = images((1, 6, 6)), torch.Generator().manual_seed(1)
    means = []
    with torch.inference_mode():
        for k in (1, 5, 50):
            noise = torch.randn(2000, k, 4, 3, generator=source)
            terms = [torch.stack([t.mean() for t in model.importance_terms(x, n)]) for n in noise]
            means.append(torch.stack(terms).mean(0))
    reconstruction, kl, bound = torch.stack(means).T
    assert bound.tolist() == sorted(bound.tolist(), reverse=True)
    assert len(set(bound.tolist())) == 3
    torch.testing.assert_close(reconstruction, reconstruction[:1].expand(3), rtol=1e-3, atol=0)
    torch.testing.assert_close(kl, kl[:1].expand(3))


def test_the_bound_by_hand() -> None:
    model = fresh_model(IWAE, (1, 6, 6), seed=0)
    x = images((1, 6, 6))
    noise = torch.randn(model.noise_shape(4), generator=torch.Generator().manual_seed(1))
    q_z = model.encoder(x)
    q = torch.distributions.Normal(q_z.mean, torch.exp(0.5 * q_z.log_var))
    weights = torch.zeros(4, dtype=torch.float64)
    for one in noise:
        z = q_z.rsample(one)
        log_p_z = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
        log_p_x = -model.loss.reconstruction(model.decoder(z), x)
        weights += torch.exp((log_p_x + log_p_z - q.log_prob(z).sum(1)).double()) / 7
    bound = model.importance_terms(x, noise)[2]
    torch.testing.assert_close(bound.double(), -weights.log())


def test_a_seed_fixes_the_weights_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first, again, other = (fresh_model(Configuration(), (1, 28, 28), s) for s in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])
    assert not torch.equal(first.encoder.heads.weight, other.encoder.heads.weight)


@pytest.mark.parametrize(("encoder", "n_linear"), [("mlp1", 2), ("mlp3", 4)], ids=["mlp1", "mlp3"])
def test_the_reference_s_networks_have_its_layers(encoder: str, n_linear: int) -> None:
    model = fresh_model(Configuration(encoder=encoder), (1, 28, 28), seed=0)
    linear = [m for m in model.encoder.modules() if isinstance(m, nn.Linear)]
    assert len(linear) == n_linear
    assert (linear[0].in_features, linear[0].out_features) == (784, 400)
    assert (linear[-1].in_features, linear[-1].out_features) == (400, 2 * 20)
    decoder = [m for m in model.decoder.modules() if isinstance(m, nn.Linear)]
    assert [(m.in_features, m.out_features) for m in decoder] == [(20, 400), (400, 784)]
