"""What may be held against each other: numbers of the same pixels of the same data."""

from __future__ import annotations

from collections.abc import Iterable

from vae.components.component import Component
from vae.configuration import Configuration
from vae.errors import BadInput
from vae.evaluation.scored_pixels import scored_pixels


def refuse_other_pixels(configurations: Iterable[Configuration]) -> None:
    """Raise BadInput where numbers of configurations that compete do not measure the same."""
    kinds: dict[tuple[Component, str, int], Configuration] = {}
    for configuration in configurations:
        # Which yardstick reads the images is among its options, and how large they are.
        data = configuration.component("dataset")
        kind = (data, scored_pixels(configuration), configuration.val_size)
        kinds.setdefault(kind, configuration)
    if len(kinds) < 2:
        return
    (data, pixels, val_size), (other_data, other_pixels, _) = list(kinds)[:2]
    one, other = list(kinds.values())[:2]
    if one.dataset != other.dataset:
        raise BadInput("configurations of different data sets cannot be held against each other")
    if data != other_data:
        raise BadInput(
            "configurations with different options of the data set cannot be held against each "
            "other"
        )
    if pixels == other_pixels:
        raise BadInput(
            f"configurations of different val_size ({val_size} and {other.val_size}) are validated "
            f"on different images, and cannot be held against each other"
        )
    raise BadInput(
        f"transform '{one.transform}' makes {pixels} of '{one.dataset}', and '{other.transform}' "
        f"{other_pixels}: no number compares models of different pixels"
    )
