"""Which fields and options of a configuration go together, told before anything is trained.

Contradictions are bad input. What is only likely to be a mistake is a warning of the plan.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from vae.components.registry import ACTIVATIONS, GIVES_BITS, check_loss_fits, check_name
from vae.errors import BadInput

if TYPE_CHECKING:
    from vae.configuration import Configuration
    from vae.layers import Shape


def check_consistency(configuration: Configuration, shape: Shape | None) -> None:
    """Raise BadInput where fields or options contradict each other.

    Args:
        shape: of an image, (channels, height, width), where it is known
    """
    _check_options(configuration)
    check_loss_fits(configuration.loss, configuration.transform)
    _check_objective(configuration)
    _check_free_bits(configuration, shape)
    if 0 < configuration.epochs <= configuration.patience:
        raise BadInput(
            f"patience {configuration.patience} never ends a training of {configuration.epochs} "
            f"epochs: make it less, or 0 for none"
        )


def _check_objective(configuration: Configuration) -> None:
    """Raise BadInput where what weighs the KL is given to a bound without one, or is 0."""
    weighs_kl = [
        ("beta", f"{configuration.beta:g}", configuration.beta != 1, 1),
        ("beta_schedule", configuration.beta_schedule, _moves_beta(configuration), "constant"),
        ("free_bits", f"{configuration.free_bits:g}", configuration.free_bits != 0, 0),
    ]
    for field, value, given, neutral in weighs_kl:
        if given and configuration.objective == "iwae":
            raise BadInput(
                f"{field} {value} does not fit objective 'iwae', whose bound has no KL term to "
                f"weigh: leave {field} at {neutral}, or drop the combination with `exclude`"
            )
        if given and field != "beta" and configuration.beta == 0:
            raise BadInput(
                f"{field} {value} changes nothing where beta is 0: leave one of them out"
            )
    if configuration.free_bits and configuration.objective != "elbo":
        raise BadInput(
            f"free_bits belongs to objective 'elbo', not to '{configuration.objective}': leave it "
            f"out, or drop the combination with `exclude`"
        )


def _moves_beta(configuration: Configuration) -> bool:
    return configuration.beta_schedule != "constant"


def _check_free_bits(configuration: Configuration, shape: Shape | None) -> None:
    """Raise BadInput for more nats than an image can have: the KL would never count."""
    if not configuration.free_bits or shape is None:
        return
    bits = configuration.transform in GIVES_BITS
    most = math.prod(shape) * (math.log(2) if bits else math.log(256))
    free = configuration.free_bits * configuration.latent_dim
    if free >= most:
        raise BadInput(
            f"free_bits {configuration.free_bits:g} × latent_dim {configuration.latent_dim} is "
            f"{free:.0f} nats, and an image has at most {most:.0f}: the KL would never count; use "
            f"less than {most / configuration.latent_dim:.3g}"
        )


# ------------------------------------------------------------- options of the built-ins

_Rule = tuple[Callable[[Any], bool], str]


def _at_least(lowest: float) -> _Rule:
    return (lambda value: value >= lowest), f"at least {lowest:g}"


def _positive() -> _Rule:
    return (lambda value: value > 0), "more than 0"


def _below_one(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value < 1


def _is_rising(epochs: Any) -> bool:
    numbers = all(isinstance(e, int | float) and e > 0 for e in epochs)
    return bool(epochs) and numbers and all(a < b for a, b in itertools.pairwise(epochs))


_RULES: dict[str, _Rule] = {
    "objective.samples": _at_least(1),
    "encoder.layers": _at_least(1),
    "decoder.layers": _at_least(1),
    "decoder.bias": ((lambda value: value in ("random", "data")), "'random' or 'data'"),
    "beta_schedule.epochs": _positive(),
    "beta_schedule.cycles": _at_least(1),
    "beta_schedule.ratio": ((lambda value: 0 < value <= 1), "above 0 and at most 1"),
    "lr_schedule.warmup": _at_least(0),
    "lr_schedule.at": (_is_rising, "rising epochs, such as [200, 350]"),
    "lr_schedule.factor": _positive(),
    "optimizer.eps": _positive(),
    "optimizer.momentum": (_below_one, "at least 0 and below 1"),
    "optimizer.betas": (
        (lambda value: len(value) == 2 and all(map(_below_one, value))),
        "two numbers, each at least 0 and below 1",
    ),
}
"""What the built-in components' options can be, beyond their types."""


def _check_options(configuration: Configuration) -> None:
    for name, value in configuration.options.items():
        kind, _, option = name.partition(".")
        if kind in configuration.digests:  # the user's own knows its options best
            continue
        if option == "activation":
            check_name(ACTIVATIONS, value, "activation")
        accepts, wanted = _RULES.get(name, (None, ""))
        if accepts is not None and not accepts(value):
            shown = list(value) if isinstance(value, tuple) else value
            raise BadInput(f"{name} should be {wanted} (got {shown!r})")
    if configuration.options.get("optimizer.nesterov") and not configuration.options.get(
        "optimizer.momentum"
    ):
        raise BadInput("optimizer.nesterov needs momentum: set optimizer.momentum, such as 0.9")


# --------------------------------------------------------------------------- warnings


def warnings(configuration: Configuration) -> Iterator[str]:
    """What a configuration does that its author may not mean, a line each."""
    epochs, options = configuration.epochs, configuration.options
    warmup = options.get("beta_schedule.epochs", 0)
    if configuration.beta_schedule == "linear" and warmup > epochs:
        reached = configuration.beta * epochs / warmup
        yield (
            f"beta_schedule.epochs {warmup:g} is longer than the training of {epochs} epochs: "
            f"beta ends at {reached:.3g}, not at {configuration.beta:g}"
        )
    rate_warmup = options.get("lr_schedule.warmup", 0)
    if rate_warmup > epochs:
        yield (
            f"lr_schedule.warmup {rate_warmup:g} is longer than the training of {epochs} epochs: "
            f"lr ends at {configuration.lr * epochs / rate_warmup:.3g}, not at {configuration.lr:g}"
        )
    never = [at for at in options.get("lr_schedule.at", ()) if at >= epochs]
    if configuration.lr_schedule == "steps" and never:
        yield f"lr_schedule.at {never[0]:g} is never reached in a training of {epochs} epochs"
    for name, length in (("beta_schedule.epochs", warmup), ("lr_schedule.warmup", rate_warmup)):
        if 0 < configuration.patience < length:
            yield (
                f"patience {configuration.patience} may end the training before the warm-up of "
                f"{name} {length:g} is over"
            )
