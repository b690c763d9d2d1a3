"""Encoders, decoders and the model around them, over every name and many shapes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from vae.components import registry
from vae.configuration import Configuration
from vae.layers import Shape
from vae.model import fresh_model, start_at_data
from vae.objectives import minimised
from vae.transforms import identity

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
@pytest.mark.parametrize("objective", registry.OBJECTIVES)
def test_every_parameter_gets_a_gradient(
    encoder: str, decoder: str, loss: str, objective: str
) -> None:
    fields = {"encoder": encoder, "decoder": decoder, "loss": loss, "objective": objective}
    model = fresh_model(Configuration(**fields, hidden_dim=8), (1, 28, 28), seed=0)
    noise = torch.randn(4, 20, generator=torch.Generator().manual_seed(1))
    noise = noise.expand(model.noise_shape(4))
    minimised(model.training_terms(images((1, 28, 28)), noise), beta=1.0).mean().backward()
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


@pytest.mark.parametrize(("named", "layers"), [("mlp1", 1), ("mlp3", 3)])
def test_mlp_with_as_many_layers_is_the_reference_s_network(named: str, layers: int) -> None:
    sizes = {"encoder": "mlp", "decoder": "mlp", "encoder.layers": layers, "decoder.layers": layers}
    mine = fresh_model(Configuration(**sizes), (1, 28, 28), seed=0)
    theirs = fresh_model(Configuration(encoder=named, decoder=named), (1, 28, 28), seed=0)
    assert mine.state_dict().keys() == theirs.state_dict().keys()
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(tensor, mine.state_dict()[name])


@pytest.mark.parametrize("activation", registry.ACTIVATIONS)
def test_mlp_has_the_layers_and_activations_it_is_asked_for(activation: str) -> None:
    fields = {f"{side}.activation": activation for side in ("encoder", "decoder")}
    layers = {"encoder.layers": 2, "decoder.layers": 4}
    configuration = Configuration(encoder="mlp", decoder="mlp", **fields, **layers)
    model = fresh_model(configuration, (1, 28, 28), seed=0)
    kind = getattr(nn, registry.ACTIVATIONS[activation])
    assert sum(isinstance(m, kind) for m in model.encoder.modules()) == 2
    assert sum(isinstance(m, kind) for m in model.decoder.modules()) == 4
    assert sum(isinstance(m, nn.Linear) for m in model.encoder.modules()) == 2 + 1
    assert sum(isinstance(m, nn.Linear) for m in model.decoder.modules()) == 4 + 1


@pytest.mark.parametrize("bias", ["random", "data"])
def test_a_bias_at_the_data_decodes_to_the_mean_image(bias: str) -> None:
    configuration = Configuration(decoder="mlp", hidden_dim=8, **{"decoder.bias": bias})
    model = fresh_model(configuration, (1, 4, 5), seed=0)
    raw = np.random.RandomState(0).randint(0, 256, (2500, 1, 4, 5)).astype(np.uint8)
    raw[:, 0, 0, 0], raw[:, 0, 0, 1] = 0, 255  # pixels that never change
    before = model.decoder[-2].bias.clone()
    start_at_data(model, identity(raw, 0))
    if bias == "random":
        assert torch.equal(model.decoder[-2].bias, before)
        return
    with torch.no_grad():
        model.decoder[-2].weight.zero_()
    mean = torch.from_numpy(raw / 255).mean(0).float().clamp(1e-3, 1 - 1e-3)
    torch.testing.assert_close(model.decode(torch.randn(3, 20)), mean.expand(3, 1, 4, 5))
