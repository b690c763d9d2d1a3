"""What a trial trains, validates and tests on."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch

from vae import datasets
from vae.components import Component
from vae.configuration import Configuration
from vae.transforms import Batches, FreshBits, GrayValues, static_bits

_TRAIN_STREAM, _TEST_STREAM = 0, 1


@dataclass(frozen=True)
class Splits:
    """Fixed for a data set, a transform and a `val_size`: no seed moves an image.

    Attributes:
        test_bits: the static binarisation of the test images, the same for every transform
    """

    train: Batches
    val: Batches
    test: Batches
    test_bits: Batches


def load_splits(configuration: Configuration, data_dir: str, device: str = "cpu") -> Splits:
    """The splits a trial of `configuration` uses; validation is the end of the training set."""
    transform = configuration.component("transform")
    train, test, test_bits = _transformed(configuration.dataset, transform, data_dir, device)
    n_train = len(train) - configuration.val_size
    return Splits(train.part(0, n_train), train.part(n_train, len(train)), test, test_bits)


@dataclass(frozen=True)
class TestSplit:
    """The test images of a data set as a transform shows them.

    Attributes:
        bits: their static binarisation, the same for every transform
        labels: `(n,)`, the class of each
    """

    images: Batches
    bits: Batches
    labels: np.ndarray


def load_test(dataset: str, transform: Component, data_dir: str, device: str = "cpu") -> TestSplit:
    """The test set alone, of any data set; the same images and bits as in `load_splits`."""
    raw = datasets.read(dataset, data_dir)
    test = transform.make(raw.test, _TEST_STREAM)
    bits = _bits_of(test)
    to = torch.device(device)
    return TestSplit(test.to(to), bits.to(to), raw.test_labels)


@functools.lru_cache(maxsize=4)  # the transforms of one grid; bits are packed, so this is little
def _transformed(
    dataset: str, transform: Component, data_dir: str, device: str
) -> tuple[Batches, Batches, Batches]:
    images = datasets.read(dataset, data_dir)
    train = transform.make(images.train, _TRAIN_STREAM)
    test = transform.make(images.test, _TEST_STREAM)
    test_bits = _bits_of(test)
    to = torch.device(device)
    return train.to(to), test.to(to), test_bits.to(to)


def _bits_of(test: Batches) -> Batches:
    """Static bits of what a transform made of the test images: of gray images, the same always."""
    if isinstance(test, FreshBits):
        return test.fixed
    if isinstance(test, GrayValues):
        return static_bits(test.images.numpy(), _TEST_STREAM)
    return test
