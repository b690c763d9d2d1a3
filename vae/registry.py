"""What the names in an experiment file stand for.

The tables hold import paths, not objects, so that a plan can be checked, and printed, in a
tenth of a second: importing torch takes two. Adding an encoder is a class in `encoders.py`
and a line here.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping

from vae.errors import BadInput

ENCODERS = {
    "conv": "vae.encoders:ConvEncoder",
    "mlp1": "vae.encoders:OneHiddenLayer",
    "mlp3": "vae.encoders:ThreeHiddenLayers",
    "resnet": "vae.encoders:ResidualEncoder",
}
DECODERS = {
    "conv": "vae.decoders:ConvDecoder",
    "mlp1": "vae.decoders:OneHiddenLayer",
    "mlp3": "vae.decoders:ThreeHiddenLayers",
    "resnet": "vae.decoders:ResidualDecoder",
}
LOSSES = {
    "bce": "vae.losses:BinaryCrossEntropy",
    "continuous_bernoulli": "vae.losses:ContinuousBernoulli",
    "gaussian": "vae.losses:Gaussian",
    "iwae": "vae.losses:ImportanceWeighted",
    "sse": "vae.losses:SumOfSquaredErrors",
}
TRANSFORMS = {
    "binarize": "vae.transforms:binarize",
    "dynamic_binarize": "vae.transforms:dynamic_binarize",
    "grayscale": "vae.transforms:grayscale",
    "none": "vae.transforms:identity",
}

DATASET_TARGETS = {
    "cifar10": "vae.colour_sets:cifar10",
    "emnist": "vae.idx_files:emnist",
    "fashion_mnist": "vae.idx_files:fashion_mnist",
    "kmnist": "vae.idx_files:kmnist",
    "mnist": "vae.idx_files:mnist",
    "mnist5k": "vae.small_sets:mnist5k",
    "patches": "vae.small_sets:patches",
    "qmnist": "vae.idx_files:qmnist",
    "svhn": "vae.colour_sets:svhn",
}

KINDS: dict[str, Mapping[str, str]] = {
    "dataset": DATASET_TARGETS,
    "encoder": ENCODERS,
    "decoder": DECODERS,
    "loss": LOSSES,
    "transform": TRANSFORMS,
}
"""The fields of a configuration that name a component, each with its built-in names."""

# A density over (0, 1) grows without bound on data that are exactly 0 or 1.
_NEEDS_GRAY_PIXELS = {"continuous_bernoulli"}
_GIVES_BITS = {"binarize", "dynamic_binarize"}

_IMPORTANCE_WEIGHTED = {"iwae"}


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
    if loss in _NEEDS_GRAY_PIXELS and transform in _GIVES_BITS:
        raise BadInput(
            f"loss '{loss}' is a density of gray pixels and does not fit transform "
            f"'{transform}', which makes bits: use loss 'bce', or drop the combination with "
            f"`exclude: [{{loss: {loss}, transform: {transform}}}]`"
        )


def check_objective(loss: str, beta: float, sets_samples: bool) -> None:
    """Raise BadInput where a field that belongs to one kind of objective is given to another."""
    if loss in _IMPORTANCE_WEIGHTED and beta != 1:
        raise BadInput(
            f"beta {beta:g} does not fit loss '{loss}', whose bound has no KL term to weigh: "
            f"leave beta at 1, or drop the combination with `exclude`"
        )
    if sets_samples and loss not in _IMPORTANCE_WEIGHTED:
        raise BadInput(
            f"iwae_samples belongs to loss 'iwae' and changes nothing for loss '{loss}': leave it "
            f"out, or drop the combination with `exclude`"
        )
