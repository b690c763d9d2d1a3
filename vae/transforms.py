"""Transforms: what a model is shown of the `uint8` images of a data set.

A transform is made once for each of a data set's arrays and holds them in the smallest form; a
batch becomes `float32` only when it is taken. Their names in experiment files are in
`registry.TRANSFORMS`.
"""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from vae.layers import Shape

BINARIZATION_SEED = 3435
"""Of the static binarisation, which is drawn once for a data set; the reference's seed."""


class Batches(Protocol):
    """The images of one split as a model sees them."""

    def __len__(self) -> int: ...

    @property
    def shape(self) -> Shape:
        """(channels, height, width) of one image."""

    def batch(self, indices: Tensor) -> Tensor:
        """Images in [0, 1], `(len(indices), channels, height, width)`; always the same ones."""

    def training_batch(self, indices: Tensor, generator: Generator) -> Tensor:
        """As `batch`, with fresh noise from `generator` where the transform has any."""

    def part(self, start: int, stop: int) -> Batches:
        """The images from `start` to `stop`, without a copy."""

    def to(self, device: torch.device) -> Batches:
        """The same on another device."""


class GrayValues:
    """pixel / 255"""

    def __init__(self, images: Tensor) -> None:
        """Args: images: `uint8`, `(n, channels, height, width)`"""
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    @property
    def shape(self) -> Shape:
        channels, height, width = self.images.shape[1:]
        return channels, height, width

    def batch(self, indices: Tensor) -> Tensor:
        # Copies whole images, where `images[indices]` would look up byte by byte.
        return self.images.index_select(0, indices).float().div_(255)

    def training_batch(self, indices: Tensor, generator: Generator) -> Tensor:
        return self.batch(indices)

    def part(self, start: int, stop: int) -> GrayValues:
        return type(self)(self.images[start:stop])

    def to(self, device: torch.device) -> GrayValues:
        return type(self)(self.images.to(device))


class FreshBits(GrayValues):
    """Bernoulli(pixel / 255), drawn anew for every training batch."""

    def __init__(self, images: Tensor, fixed: Bits) -> None:
        super().__init__(images)
        self.fixed = fixed

    def batch(self, indices: Tensor) -> Tensor:
        return self.fixed.batch(indices)

    def training_batch(self, indices: Tensor, generator: Generator) -> Tensor:
        return torch.bernoulli(super().batch(indices), generator=generator)

    def part(self, start: int, stop: int) -> FreshBits:
        return type(self)(self.images[start:stop], self.fixed.part(start, stop))

    def to(self, device: torch.device) -> FreshBits:
        return type(self)(self.images.to(device), self.fixed.to(device))


class Bits:
    """Images of zeros and ones, kept eight pixels to a byte.

    A byte is an index into a table of its eight bits as floats, so that unpacking a batch is
    one look-up: half the time that converting a byte per pixel takes, from an eighth of the
    memory.
    """

    def __init__(self, packed: Tensor, shape: Shape) -> None:
        """Args: packed: `uint8`, `(n, ceil(n_pixels / 8))`; the first pixel is the highest bit"""
        self.packed = packed
        self.shape = shape
        byte = torch.arange(256, device=packed.device)[:, None]
        self._bits_of_byte = ((byte >> torch.arange(7, -1, -1, device=packed.device)) & 1).float()

    def __len__(self) -> int:
        return len(self.packed)

    def batch(self, indices: Tensor) -> Tensor:
        packed = self.packed.index_select(0, indices)
        bits = F.embedding(packed.int(), self._bits_of_byte).flatten(1)
        return bits[:, : math.prod(self.shape)].view(-1, *self.shape)

    def training_batch(self, indices: Tensor, generator: Generator) -> Tensor:
        return self.batch(indices)

    def part(self, start: int, stop: int) -> Bits:
        return type(self)(self.packed[start:stop], self.shape)

    def to(self, device: torch.device) -> Bits:
        return type(self)(self.packed.to(device), self.shape)


def static_bits(images: np.ndarray, stream: int) -> Bits:
    """x ~ Bernoulli(pixel / 255), drawn once and the same for every trial and seed.

    Args:
        images: `uint8`, `(n, channels, height, width)`
        stream: tells the arrays of one data set apart, so that they share no randomness
    """
    # RandomState's streams are frozen for all time; a Generator's may change with numpy.
    random = np.random.RandomState([BINARIZATION_SEED, stream])
    packed = np.empty((len(images), (images[0].size + 7) // 8), dtype=np.uint8)
    for start in range(0, len(images), 1000):
        pixels = images[start : start + 1000].reshape(-1, images[0].size)
        # A uniform integer in 0..254 is below `pixel` with probability pixel / 255, exactly.
        bits = random.randint(0, 255, pixels.shape, dtype=np.uint8) < pixels
        packed[start : start + 1000] = np.packbits(bits, axis=1)
    channels, height, width = images.shape[1:]
    return Bits(torch.from_numpy(packed), (channels, height, width))


def identity(images: np.ndarray, stream: int) -> Batches:
    """`none`: pixel / 255."""
    return GrayValues(torch.from_numpy(images))


def grayscale(images: np.ndarray, stream: int) -> Batches:
    """`grayscale`: one channel by luma weights (ITU-R 601); gray images stay as they are."""
    if images.shape[1] == 1:
        return identity(images, stream)
    from torchvision.transforms.v2.functional import rgb_to_grayscale  # slow to import

    return GrayValues(rgb_to_grayscale(torch.from_numpy(images)))


def binarize(images: np.ndarray, stream: int) -> Batches:
    """`binarize`: bits drawn once for the whole data set (static binarisation)."""
    return static_bits(images, stream)


def dynamic_binarize(images: np.ndarray, stream: int) -> Batches:
    """`dynamic_binarize`: fresh bits in every epoch of training; the static bits elsewhere."""
    return FreshBits(torch.from_numpy(images), fixed=static_bits(images, stream))
