"""Transforms: what a model is shown of the `uint8` images of a data set.

A transform is made once for each of a data set's arrays and holds them in the smallest form; a
batch becomes `float32` only when it is taken. Their names in experiment files are in
`registry.TRANSFORMS`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from vae.data import cache
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


class Luma(GrayValues):
    """The brightness of colour images, computed when a batch is taken."""

    @property
    def shape(self) -> Shape:
        _, height, width = self.images.shape[1:]
        return 1, height, width

    def batch(self, indices: Tensor) -> Tensor:
        return luma(self.images.index_select(0, indices)).float().div_(255)


def luma(images: Tensor) -> Tensor:
    """Gray values of colour images, `uint8`: `(n, 3, height, width)` to `(n, 1, height, width)`.

    By the weights of ITU-R 601, rounded as Pillow does it.
    """
    total = torch.full_like(images[:, :1], 32768, dtype=torch.int32)
    for channel, weight in enumerate((19595, 38470, 7471)):  # of 65,536
        total.add_(images[:, channel : channel + 1].int(), alpha=weight)
    return total.bitwise_right_shift_(16).byte()


class Rounded:
    """What a transform shows, as the nearest of 256 values."""

    def __init__(self, shown: Batches) -> None:
        self.shown = shown

    def __len__(self) -> int:
        return len(self.shown)

    @property
    def shape(self) -> Shape:
        return self.shown.shape

    def batch(self, indices: Tensor) -> Tensor:
        return self.shown.batch(indices).mul(255).round_().div_(255)

    def training_batch(self, indices: Tensor, generator: Generator) -> Tensor:
        return self.batch(indices)

    def part(self, start: int, stop: int) -> Rounded:
        return type(self)(self.shown.part(start, stop))

    def to(self, device: torch.device) -> Rounded:
        return type(self)(self.shown.to(device))


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


_CHUNK_PIXELS = 784_000
"""Pixels that static bits are drawn for at once, in at most 1,000 images; others would be drawn
with another number."""

_LARGE = 8 << 20
"""Bytes of bits that are mapped from a file rather than kept by each worker."""


def static_bits(images: np.ndarray, stream: int, gray: bool = False) -> Bits:
    """x ~ Bernoulli(pixel / 255), drawn once and the same for every trial and seed.

    Args:
        images: `uint8`, `(n, channels, height, width)`
        stream: tells the arrays of one data set apart, so that they share no randomness
        gray: of the luma of colour images
    """

    channels, height, width = images.shape[1:]
    shape = 1 if gray else channels, height, width
    n_at_once = _images_at_once(shape)

    def chunks() -> Iterator[np.ndarray]:
        for start in range(0, len(images), n_at_once):
            chunk = images[start : start + n_at_once]
            yield luma(torch.from_numpy(chunk)).numpy() if gray else chunk

    packed_shape = len(images), (math.prod(shape) + 7) // 8
    name = f"bits-{stream}-{'gray' if gray else 'all'}.npy"
    path = cache.beside(images, name) if math.prod(packed_shape) > _LARGE else None
    if path is not None:  # all workers map one file
        made = cache.made_once(path, packed_shape, lambda: _packed(chunks(), stream))
        return Bits(torch.from_numpy(made), shape)
    packed = np.empty(packed_shape, dtype=np.uint8)
    for i, bits in enumerate(_packed(chunks(), stream)):
        packed[i * n_at_once : (i + 1) * n_at_once] = bits
    return Bits(torch.from_numpy(packed), shape)


def _images_at_once(shape: Shape) -> int:
    return min(1000, max(1, _CHUNK_PIXELS // math.prod(shape)))


def bits_of(shown: Batches, stream: int) -> Bits:
    """Static bits with the probabilities that a transform shows."""
    indices = torch.arange(len(shown)).split(_images_at_once(shown.shape))
    chunks = ((shown.batch(i).cpu() * 255).round().byte().numpy() for i in indices)
    packed = np.concatenate(list(_packed(chunks, stream)))
    return Bits(torch.from_numpy(packed), shown.shape)


def _packed(chunks: Iterable[np.ndarray], stream: int) -> Iterator[np.ndarray]:
    # RandomState's streams are frozen for all time; a Generator's may change with numpy.
    random = np.random.RandomState([BINARIZATION_SEED, stream])
    for chunk in chunks:
        pixels = chunk.reshape(len(chunk), -1)
        # A uniform integer in 0..254 is below `pixel` with probability pixel / 255, exactly.
        yield np.packbits(random.randint(0, 255, pixels.shape, dtype=np.uint8) < pixels, axis=1)


def identity(images: np.ndarray, stream: int) -> Batches:
    """`none`: pixel / 255."""
    return GrayValues(torch.from_numpy(images))


def grayscale(images: np.ndarray, stream: int) -> Batches:
    """`grayscale`: one channel by luma weights (ITU-R 601); gray images stay as they are."""
    if images.shape[1] == 1:
        return identity(images, stream)
    return Luma(torch.from_numpy(images))


def binarize(images: np.ndarray, stream: int) -> Batches:
    """`binarize`: bits drawn once for the whole data set (static binarisation)."""
    return static_bits(images, stream)


def dynamic_binarize(images: np.ndarray, stream: int) -> Batches:
    """`dynamic_binarize`: fresh bits in every epoch of training; the static bits elsewhere."""
    return FreshBits(torch.from_numpy(images), fixed=static_bits(images, stream))
