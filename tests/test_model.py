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
    reconstruction, kl = model.elbo_terms(images((1, 28, 28)), noise)
    (reconstruction + kl).mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


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
