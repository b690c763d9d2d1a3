"""Geometry that the convolutional encoder and its mirror image, the decoder, agree on."""

from __future__ import annotations

from collections.abc import Sequence

Shape = tuple[int, int, int]
"""(channels, height, width)"""

CONV_CHANNELS = (32, 64)


def halved_sizes(size: Sequence[int]) -> list[tuple[int, int]]:
    """(height, width) before and after each convolution of stride 2, kernel 3, padding 1."""
    height, width = size
    sizes = [(height, width)]
    for _ in CONV_CHANNELS:
        height, width = (height + 1) // 2, (width + 1) // 2
        sizes.append((height, width))
    return sizes
