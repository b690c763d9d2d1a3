from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from tests.generated import noise
from vae.data.image_arrays import in_memory, source_of_arrays
from vae.data.source import Source, no_progress
from vae.errors import BadInput


def source(**arrays: np.ndarray) -> Source:
    return source_of_arrays("x", {key: in_memory(array) for key, array in arrays.items()})


def stored(found: Source) -> np.ndarray:
    """All images where a decoded data set has them."""
    data_set = found.describe()
    images = np.zeros((data_set.train_size + data_set.test_size, *data_set.shape), np.uint8)
    for start, piece in found.pieces(no_progress):
        images[start : start + len(piece)] = piece
    return images


@pytest.mark.parametrize(
    ("shape", "axes"),
    [((5, 7), None), ((1, 5, 7), None), ((5, 7, 1), (0, 3, 1, 2)), ((3, 5, 7), None),
     ((5, 7, 3), (0, 3, 1, 2))],
)  # fmt: skip
def test_gray_and_colour_channels_first_and_last(
    shape: tuple[int, ...], axes: tuple[int, ...] | None
) -> None:
    train, test = noise(20, *shape), noise(6, *shape, seed=1)
    found = source(train=train, test=test)
    expected = np.concatenate([train, test])
    expected = expected if axes is None else expected.transpose(axes)
    assert np.array_equal(stored(found), expected.reshape(26, *found.describe().shape))
    assert found.describe().shape[1:] == (5, 7)


def test_floats_become_the_nearest_of_256_values_and_booleans_black_and_white() -> None:
    whole = np.arange(256).reshape(16, 4, 4)
    for dtype in (np.float16, np.float32, np.float64):
        found = stored(source(train=(whole / 255).astype(dtype), test=noise(2, 4, 4)))
        difference = np.abs(found[:16, 0].astype(int) - whole)
        assert difference.max() <= (0 if dtype != np.float16 else 1)
    bits = noise(20, 4, 4) > 127
    assert np.array_equal(stored(source(train=bits, test=bits))[:20, 0], bits * np.uint8(255))


def test_words_are_labels_the_same_in_every_part() -> None:
    found = source(
        train=noise(4, 4, 4), labels=np.array(["cat", "dog", "cat", "eel"]),
        test=noise(2, 4, 4), test_labels=np.array(["dog", "ape"]),
    )  # fmt: skip
    known = found.labels()
    assert known is not None
    assert known.tolist() == [1, 2, 1, 3, 2, 0]


def with_value(value: float) -> np.ndarray:
    images = np.full((20, 4, 4), 0.5)
    images[13, 2, 1] = value
    return images


TRAIN = noise(20, 4, 4)
BAD: dict[str, tuple[Mapping[str, np.ndarray], str]] = {
    "no train": ({"test": TRAIN}, "has no array 'train' (test)"),
    "nothing": ({}, "has no array 'train' (empty)"),
    "misspelt": ({"train": TRAIN, "tets": TRAIN}, "unknown array 'tets'; did you mean 'test'?"),
    "objects": ({"train": np.array([TRAIN[0], "a"], dtype=object)}, "train: holds Python objects"),
    "whole numbers": ({"train": TRAIN.astype(int)}, "train: is of int64; should be uint8"),
    "complex": ({"train": TRAIN * 1j}, "train: is of complex128"),
    "words": ({"train": np.array(["a", "b"])}, "train: is of <U1"),
    "flat": ({"train": noise(20, 16)}, "train: has shape (20, 16); should be (n, height, width)"),
    "a number": ({"train": np.array(1.0)}, "train: has shape ()"),
    "two channels": ({"train": noise(20, 2, 4, 4)}, "should have 1 or 3 channels"),
    "four channels": ({"train": noise(20, 8, 8, 4)}, "should have 1 or 3 channels"),
    "either axis": ({"train": noise(20, 3, 8, 3)}, "axis 1 or axis 3 could be the channels"),
    "no images": ({"train": noise(0, 4, 4)}, "train: is empty"),
    "no pixels": ({"train": noise(20, 0, 4)}, "train: has shape (20, 0, 4)"),
    "empty test": ({"train": TRAIN, "test": noise(0, 4, 4)}, "test: is empty"),
    "other size": ({"train": TRAIN, "test": noise(5, 4, 5)}, "test are 1 × 4 × 5, those"),
    "other channels": ({"train": TRAIN, "val": noise(5, 3, 4, 4)}, "val are 3 × 4 × 4"),
    "too few": ({"train": noise(2, 4, 4)}, "too few images (train 2)"),
    "too few to validate": ({"train": noise(1, 4, 4), "test": TRAIN}, "too few images"),
    "NaN": ({"train": with_value(np.nan)}, "train: holds NaN"),
    "infinite": ({"train": with_value(np.inf)}, "train: holds inf, and floats should be in [0, 1]"),
    "of 255": ({"train": with_value(254.0)}, "in [0, 1]: divide by 255"),
    "normalised": ({"train": with_value(-0.4)}, "train: holds -0.4"),
    "bad test": ({"train": TRAIN, "test": with_value(np.nan)}, "test: holds NaN"),
    "0 and 1": ({"train": TRAIN % 2}, "holds 0 and 1 as uint8"),
    "labels of another length": (
        {"train": TRAIN, "train_labels": np.arange(19)}, "has 20 images and labels of shape (19,)",
    ),
    "labels of two dimensions": (
        {"train": TRAIN, "labels": np.zeros((20, 1), int)}, "(20, 1); should be (20,)",
    ),
    "labels that are numbers": ({"train": TRAIN, "labels": np.zeros(20)}, "labels are of float64"),
    "labels below 0": ({"train": TRAIN, "labels": -np.ones(20, int)}, "labels should be from 0 on"),
    "labels of nothing": ({"train": TRAIN, "val_labels": np.arange(20)}, "add the array 'val'"),
    "labels of words and numbers": (
        {"train": TRAIN, "labels": np.array(["a"] * 20), "val": TRAIN, "val_labels": np.arange(20)},
        "the labels of some of train, val are words",
    ),
    "labels that are objects": (
        {"train": TRAIN, "labels": np.array([None] * 20)}, "its labels are of object",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_arrays_are_named_in_one_line(case: str) -> None:
    arrays, said = BAD[case]
    with pytest.raises(BadInput) as caught:
        stored(source(**arrays))
    message = str(caught.value)
    assert message.startswith("x: ")
    assert said in message
    assert "\n" not in message
