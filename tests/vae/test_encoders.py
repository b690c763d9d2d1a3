"""Encoders: q(z | x) of an image, and of nothing else."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vae.components import registry
from vae.components.component import check_component
from vae.encoders import Encoder, MultilayerPerceptron
from vae.errors import BadInput
from vae.layers import Shape

SHAPE: Shape = (2, 9, 6)


def encoder(name: str, **options: object) -> nn.Module:
    torch.manual_seed(0)
    make = check_component("encoder", name).with_options(options).make
    made = make(SHAPE, 8, 3)
    assert isinstance(made, Encoder)
    return made


def images(n: int = 5) -> torch.Tensor:
    return torch.rand(n, *SHAPE, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", registry.ENCODERS)
def test_what_is_made_of_an_image_does_not_depend_on_the_others(name: str) -> None:
    x, model = images(), encoder(name)
    together = model(x)
    alone = [model(x[i : i + 1]) for i in range(len(x))]
    for part in ("mean", "log_var"):
        rows = torch.cat([getattr(q, part) for q in alone])
        torch.testing.assert_close(getattr(together, part), rows)
        assert getattr(together, part).shape == (5, 3)


@pytest.mark.parametrize("name", registry.ENCODERS)
def test_every_pixel_has_a_say_in_both_heads(name: str) -> None:
    x = images(1).requires_grad_()
    model = encoder(name)
    for part in ("mean", "log_var"):
        (gradient,) = torch.autograd.grad(getattr(model(x), part).square().sum(), x)
        # ReLUs may switch a pixel's units off by chance; a row or a channel that is never looked at
        # is no chance.
        assert (gradient.abs().sum((2, 3)) > 0).all() and (gradient.abs().sum((1, 3)) > 0).all()


def test_one_layer_of_twice_the_width_is_two_layers_side_by_side() -> None:
    model = encoder("mlp1")
    assert isinstance(model, Encoder)
    hidden = model.body(images())
    (w_mean, w_var), (b_mean, b_var) = model.heads.weight.chunk(2), model.heads.bias.chunk(2)
    q = model(images())
    torch.testing.assert_close(q.mean, hidden @ w_mean.T + b_mean)
    torch.testing.assert_close(q.log_var, hidden @ w_var.T + b_var)


@pytest.mark.parametrize("layers", [1, 2, 5])
def test_as_many_hidden_layers_as_asked_for_each_with_its_activation(layers: int) -> None:
    model = MultilayerPerceptron(SHAPE, 8, 3, layers=layers, activation="tanh")
    kinds = [type(module) for module in model.body.children()]
    assert kinds == [nn.Flatten, *[nn.Linear, nn.Tanh] * layers]


@pytest.mark.parametrize(("layers", "name"), [(1, "mlp1"), (3, "mlp3")])
def test_mlp_of_that_depth_is_the_encoder_of_that_name(layers: int, name: str) -> None:
    named, asked_for = encoder(name), encoder("mlp", layers=layers)
    torch.testing.assert_close(named(images()).mean, asked_for(images()).mean, rtol=0, atol=0)


def test_an_activation_that_there_is_not() -> None:
    with pytest.raises(BadInput, match="did you mean 'relu'"):
        MultilayerPerceptron(SHAPE, 8, 3, activation="rleu")
