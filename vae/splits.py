"""What a trial trains, validates and tests on."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch

from vae.components.component import Component
from vae.configuration import Configuration
from vae.data import datasets, decoded
from vae.transforms import Batches, Rounded, bits_of, grayscale, identity, static_bits

_TRAIN_STREAM, _TEST_STREAM = 0, 1


@dataclass(frozen=True)
class Splits:
    """Fixed for a data set, a transform and a `val_size`: no seed moves an image.

    Attributes:
        train_pixels, val_pixels, test_pixels: what the yardstick scores of the same images, for
            every transform that keeps their shape: the static bits, or the values, of the raw
            images
        yardstick: how it reads a decoder's mean, "bernoulli" or "discretised"
        train_labels, val_labels, test_labels: `(n,)`, the class of each image, where it is known
    """

    train: Batches
    val: Batches
    test: Batches
    train_pixels: Batches
    val_pixels: Batches
    test_pixels: Batches
    yardstick: str
    train_labels: np.ndarray | None = None
    val_labels: np.ndarray | None = None
    test_labels: np.ndarray | None = None


def load_splits(configuration: Configuration, data_dir: str, device: str = "cpu") -> Splits:
    """The splits a trial of `configuration` uses."""
    data, transform = configuration.component("dataset"), configuration.component("transform")
    return split(data, transform, configuration.val_size, data_dir, device)


def split(
    data: Component, transform: Component, val_size: int, data_dir: str, device: str = "cpu"
) -> Splits:
    """A prepared data set as a transform shows it; validation is the end of the training set."""
    raw = decoded.read(data, data_dir)
    train, test = _shown(data, transform, data_dir, device)
    train_pixels, test_pixels = _scored(data, transform, data_dir, device)
    n, n_train = len(train), len(train) - val_size
    train_labels, val_labels = (
        (None, None)
        if raw.train_labels is None
        else (raw.train_labels[:n_train], raw.train_labels[n_train:])
    )
    return Splits(
        train.part(0, n_train),
        train.part(n_train, n),
        test,
        train_pixels.part(0, n_train),
        train_pixels.part(n_train, n),
        test_pixels,
        datasets.yardstick(data),
        train_labels,
        val_labels,
        raw.test_labels,
    )


@functools.lru_cache(maxsize=4)  # the transforms of one grid; bits are packed, so this is little
def _shown(
    data: Component, transform: Component, data_dir: str, device: str
) -> tuple[Batches, Batches]:
    """The training and the test images as the transform shows them."""
    raw, to = decoded.read(data, data_dir), torch.device(device)
    train = transform.make(raw.train, _TRAIN_STREAM)
    test = transform.make(raw.test, _TEST_STREAM)
    return train.to(to), test.to(to)


def _scored(
    data: Component, transform: Component, data_dir: str, device: str
) -> tuple[Batches, Batches]:
    """What the yardstick scores of the training and the test images."""
    shape = decoded.read(data, data_dir).train.shape[1:]
    shown = _shown(data, transform, data_dir, device)[0].shape
    if shown == shape or shown == (1, *shape[1:]):
        return _scored_of_raw(data, data_dir, device, shown != shape)
    return _scored_of_shown(data, transform, data_dir, device)


@functools.lru_cache(maxsize=2)
def _scored_of_raw(
    data: Component, data_dir: str, device: str, gray: bool
) -> tuple[Batches, Batches]:
    """Of the raw images, or of their luma."""
    raw, to = decoded.read(data, data_dir), torch.device(device)
    if datasets.yardstick(data) == "bernoulli":
        train = static_bits(raw.train, _TRAIN_STREAM, gray)
        test = static_bits(raw.test, _TEST_STREAM, gray)
        return train.to(to), test.to(to)
    show = grayscale if gray else identity
    return show(raw.train, _TRAIN_STREAM).to(to), show(raw.test, _TEST_STREAM).to(to)


@functools.lru_cache(maxsize=2)
def _scored_of_shown(
    data: Component, transform: Component, data_dir: str, device: str
) -> tuple[Batches, Batches]:
    """Of a transform that makes images of another size, which no other model can be held against:
    what it makes.
    """
    train, test = _shown(data, transform, data_dir, device)
    if datasets.yardstick(data) == "bernoulli":
        to = torch.device(device)
        return bits_of(train, _TRAIN_STREAM).to(to), bits_of(test, _TEST_STREAM).to(to)
    return Rounded(train), Rounded(test)
