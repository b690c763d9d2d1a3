"""What the names in an experiment file stand for.

The tables hold import paths, not objects, so that a plan can be checked, and printed, in a
tenth of a second: importing torch takes two. Adding an encoder is a class in `vae/encoders.py`
and a line here.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping

from vae.errors import BadInput

ENCODERS = {
    "conv": "vae.encoders:ConvEncoder",
    "mlp": "vae.encoders:MultilayerPerceptron",
    "mlp1": "vae.encoders:OneHiddenLayer",
    "mlp3": "vae.encoders:ThreeHiddenLayers",
    "resnet": "vae.encoders:ResidualEncoder",
}
DECODERS = {
    "conv": "vae.decoders:ConvDecoder",
    "mlp": "vae.decoders:MultilayerPerceptron",
    "mlp1": "vae.decoders:OneHiddenLayer",
    "mlp3": "vae.decoders:ThreeHiddenLayers",
    "resnet": "vae.decoders:ResidualDecoder",
}
LOSSES = {
    "bce": "vae.losses:BinaryCrossEntropy",
    "continuous_bernoulli": "vae.losses:ContinuousBernoulli",
    "gaussian": "vae.losses:Gaussian",
    "sse": "vae.losses:SumOfSquaredErrors",
}
TRANSFORMS = {
    "binarize": "vae.transforms:binarize",
    "dynamic_binarize": "vae.transforms:dynamic_binarize",
    "grayscale": "vae.transforms:grayscale",
    "none": "vae.transforms:identity",
}
OBJECTIVES = {
    "elbo": "vae.objectives:Elbo",
    "iwae": "vae.objectives:ImportanceWeighted",
}
BETA_SCHEDULES = {
    "constant": "vae.schedules:constant",
    "cyclical": "vae.schedules:cyclical",
    "linear": "vae.schedules:linear",
}
LR_SCHEDULES = {
    "burda": "vae.schedules:burda",
    "constant": "vae.schedules:constant_rate",
    "cosine": "vae.schedules:cosine",
    "steps": "vae.schedules:steps",
}
OPTIMIZERS = {
    "adam": "vae.optimizer:adam",
    "adamw": "vae.optimizer:adamw",
    "sgd": "vae.optimizer:sgd",
}
ACTIVATIONS = {
    "elu": "ELU",
    "gelu": "GELU",
    "leaky_relu": "LeakyReLU",
    "relu": "ReLU",
    "silu": "SiLU",
    "softplus": "Softplus",
    "tanh": "Tanh",
}
"""Of the networks' option `activation`: names in `torch.nn`."""

DATASET_TARGETS = {
    "cifar10": "vae.data.colour_sets:cifar10",
    "emnist": "vae.data.idx_files:emnist",
    "fashion_mnist": "vae.data.idx_files:fashion_mnist",
    "kmnist": "vae.data.idx_files:kmnist",
    "mnist": "vae.data.idx_files:mnist",
    "mnist5k": "vae.data.small_sets:mnist5k",
    "patches": "vae.data.small_sets:patches",
    "qmnist": "vae.data.idx_files:qmnist",
    "svhn": "vae.data.colour_sets:svhn",
}

KINDS: dict[str, Mapping[str, str]] = {
    "dataset": DATASET_TARGETS,
    "encoder": ENCODERS,
    "decoder": DECODERS,
    "loss": LOSSES,
    "transform": TRANSFORMS,
    "objective": OBJECTIVES,
    "beta_schedule": BETA_SCHEDULES,
    "lr_schedule": LR_SCHEDULES,
    "optimizer": OPTIMIZERS,
}
"""The fields of a configuration that name a component, each with its built-in names."""

# A density over (0, 1) grows without bound on data that are exactly 0 or 1.
_NEEDS_GRAY_PIXELS = {"continuous_bernoulli"}
GIVES_BITS = {"binarize", "dynamic_binarize"}

RENAMED = {
    ("loss", "iwae"): "'iwae' is an objective now, and works with every loss: write "
    "`objective: iwae` and `objective.samples: 5` beside `loss: bce`",
}
"""Values that a field had once, with what to write instead."""


def check_name(table: Collection[str], name: str, kind: str) -> str:
    """Return `name` if `table` has it.

    Raises:
        BadInput: naming the closest match and every choice.
    """
    if name in table:
        return name
    close = difflib.get_close_matches(name, table, n=1, cutoff=0.5)
    hint = f"did you mean '{close[0]}'? " if close else ""
    raise BadInput(f"unknown {kind} '{name}'; {hint}({', '.join(sorted(table))})")


def check_loss_fits(loss: str, transform: str) -> None:
    """Raise BadInput where `loss` is no likelihood of what `transform` makes of a pixel."""
    if loss in _NEEDS_GRAY_PIXELS and transform in GIVES_BITS:
        raise BadInput(
            f"loss '{loss}' is a density of gray pixels and does not fit transform "
            f"'{transform}', which makes bits: use loss 'bce', or drop the combination with "
            f"`exclude: [{{loss: {loss}, transform: {transform}}}]`"
        )
