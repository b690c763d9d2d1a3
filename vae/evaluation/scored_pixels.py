"""What the yardstick scores of a configuration's models, in words; known without reading images.

Numbers compare models of the same pixels: of a data set, read by one yardstick, of one shape.
"""

from __future__ import annotations

from vae.components.component import Component
from vae.configuration import Configuration
from vae.data.datasets import describe, yardstick
from vae.data.source import by

_KEEP_SHAPE = ("binarize", "dynamic_binarize", "none")


def scored_pixels(configuration: Configuration) -> str:
    """`bernoulli 1 × 28 × 28`; nothing for a data set of which nothing is known here."""
    data = describe(configuration.component("dataset"))
    if data is None:
        return ""
    transform = configuration.component("transform")
    shape = shown_shape(transform, data.shape)
    kind = yardstick(configuration.component("dataset"))
    words = f"{kind} {by(shape)}"
    if shape[1:] != data.shape[1:] or shape[0] not in (1, data.shape[0]):
        return f"{words} of {transform.value}"  # what the transform makes: see `splits`
    return words


def shown_shape(transform: Component, shape: tuple[int, int, int]) -> tuple[int, ...]:
    """(channels, height, width) of what a transform makes of images of `shape`."""
    if transform.value in _KEEP_SHAPE:
        return shape
    if transform.value == "grayscale":
        return 1, *shape[1:]
    import numpy as np  # the user's own has to be tried, and torch takes its time to import

    return tuple(transform.make(np.zeros((1, *shape), np.uint8), 0).shape)
