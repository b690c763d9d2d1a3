"""What a trial trains, validates and tests on."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch

from vae import datasets, registry
from vae.configuration import Configuration
from vae.transforms import Batches

_TRAIN_STREAM, _TEST_STREAM = 0, 1


@dataclass(frozen=True)
class Splits:
    """Fixed for a data set, a transform and a `val_size`: no seed moves an image."""

    train: Batches
    val: Batches
    test: Batches


def load_splits(configuration: Configuration, data_dir: str, device: str = "cpu") -> Splits:
    """The splits a trial of `configuration` uses; validation is the end of the training set."""
    train, test = _transformed(configuration.dataset, configuration.transform, data_dir, device)
    n_train = len(train) - configuration.val_size
    return Splits(train.part(0, n_train), train.part(n_train, len(train)), test)


@functools.lru_cache(maxsize=4)  # the transforms of one grid; bits are packed, so this is little
def _transformed(
    dataset: str, transform: str, data_dir: str, device: str
) -> tuple[Batches, Batches]:
    images = datasets.read(dataset, data_dir)
    apply = registry.lookup(registry.TRANSFORMS, transform, "transform")
    to = torch.device(device)
    train = apply(images.train, _TRAIN_STREAM).to(to)
    return train, apply(images.test, _TEST_STREAM).to(to)
