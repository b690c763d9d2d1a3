"""What is known of a data set, its images in memory, and what it is before it is decoded.

A data set arrives as parts (`train`, perhaps `test` and `val`). Decoded, its images lie one after
the other: training, validation, test; so that a split is a range of indices.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vae.errors import BadInput

if TYPE_CHECKING:
    import numpy as np

PARTS = ("train", "val", "test")

TEST_SHARE = VAL_SHARE = 6
"""Without a test set the last sixth is one; of what is left the last sixth is for validation."""

UNKNOWN = -1
"""The label of an image that has none."""

Progress = Callable[[str, int, int], None]
"""Is told what is being done, how many images are done, and of how many."""


def no_progress(what: str, done: int, total: int) -> None:
    """For who does not want to hear of it."""


@dataclass(frozen=True)
class DataSet:
    """What is known of a data set before its images are decoded.

    Attributes:
        shape: (channels, height, width)
        train_size: training images, with those that are held out for validation
        val_size: how many of them, from the end, unless the experiment says otherwise
        val_is_given: the data set brings its own validation images, so `val_size` is no choice
        notes: what a person should know of it, a line each
    """

    shape: tuple[int, int, int]
    train_size: int
    test_size: int
    val_size: int
    val_is_given: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Images:
    """A data set in memory: `uint8` arrays.

    Attributes:
        train, test: `(n, channels, height, width)`, values 0..255
        train_labels, test_labels: `(n,)`, the class of each image, where it is known of all
    """

    train: np.ndarray
    test: np.ndarray
    train_labels: np.ndarray | None = None
    test_labels: np.ndarray | None = None


@dataclass(frozen=True)
class Part:
    """A part of a data set before it is decoded.

    Attributes:
        chunks: decodes it from the start, `uint8` `(a few, channels, height, width)` at a time;
            raises BadInput that names a bad file
        labels: of its images, from 0 (`UNKNOWN` where there is none)
    """

    n: int
    shape: tuple[int, int, int]
    chunks: Callable[[], Iterator[np.ndarray]]
    labels: np.ndarray | None = None


@dataclass(frozen=True)
class Source:
    """A data set before it is decoded.

    Attributes:
        name: what messages call it
        parts: `train` and perhaps `val` and `test`
    """

    name: str
    parts: Mapping[str, Part]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        first = self.parts["train"].shape
        for name, part in self.parts.items():
            if part.shape != first:
                raise BadInput(
                    f"{self.name}: the images of {name} are {by(part.shape)}, those of train "
                    f"{by(first)}"
                )
        self.describe()  # complains of too few images

    def describe(self) -> DataSet:
        """Raises BadInput where a split would be empty."""
        sizes = {name: part.n for name, part in self.parts.items()}
        notes = list(self.notes)
        n_train = self._n_training() + sizes.get("val", 0)
        n_test = sizes.get("test", sizes["train"] - self._n_training())
        if "test" not in sizes:
            notes.append(
                f"{self.name} has no test set: the last {n_test:,} of its {sizes['train']:,} "
                f"training images are one"
            )
        n_val = sizes.get("val", max(1, n_train // VAL_SHARE))
        if min(n_test, n_val, n_train - n_val) < 1:
            raise BadInput(
                f"{self.name}: too few images ({told(sizes)}): training, validation and test "
                f"need at least one each"
            )
        shape = self.parts["train"].shape
        return DataSet(shape, n_train, n_test, n_val, "val" in sizes, tuple(notes))

    def labels(self) -> np.ndarray | None:
        """Of all images in order, `int32`; None if no part has any."""
        import numpy as np

        if all(part.labels is None for part in self.parts.values()):
            return None
        known = {
            name: np.full(part.n, UNKNOWN) if part.labels is None else part.labels
            for name, part in self.parts.items()
        }
        own = self._n_training()
        rest = known["train"][own:]  # the test set, if there is no other
        found = [known["train"][:own], known.get("val", rest[:0]), known.get("test", rest)]
        return np.concatenate(found).astype(np.int32)

    def pieces(self, on_progress: Progress) -> Iterator[tuple[int, np.ndarray]]:
        """All images, decoded: a few at a time with the index of the first of them."""
        total = sum(part.n for part in self.parts.values())
        own, n_val = self._n_training(), self.parts["val"].n if "val" in self.parts else 0
        starts = {"train": 0, "val": own, "test": own + n_val}
        told = 0
        for name, part in self.parts.items():
            done = 0
            for chunk in part.chunks():
                cut = max(0, own - done) if name == "train" else len(chunk)
                if len(chunk[:cut]):
                    yield starts[name] + done, chunk[:cut]
                if len(chunk[cut:]):  # of the last sixth, which is the test set
                    yield n_val + done + len(chunk[:cut]), chunk[cut:]
                done += len(chunk)
                on_progress(f"decoding {self.name}", told + done, total)
            told += done

    def _n_training(self) -> int:
        """How many images of `train` are no test images."""
        n = self.parts["train"].n
        return n if "test" in self.parts else n - max(1, n // TEST_SHARE)


def content_digest(source: Source, on_progress: Progress = no_progress) -> str:
    """Sixteen hexadecimal digits of every image and label; decodes all of it."""
    content = hashlib.sha256(repr(source.describe()).encode())
    for _, piece in source.pieces(on_progress):
        content.update(piece.tobytes())
    labels = source.labels()
    content.update(b"" if labels is None else labels.tobytes())
    return content.hexdigest()[:16]


def of_images(images: Images, data_set: DataSet, place: object) -> Images:
    """`images`, held against what is known of them.

    Raises:
        BadInput: where `place` holds other ones.
    """
    expected = (data_set.train_size, *data_set.shape), (data_set.test_size, *data_set.shape)
    if (images.train.shape, images.test.shape) != expected:
        raise BadInput(
            f"{place}: truncated or corrupt: holds {by(images.train.shape)} and "
            f"{by(images.test.shape)} pixels, and not {by(expected[0])} and {by(expected[1])}"
        )
    return images


def by(shape: tuple[int, ...]) -> str:
    """(3, 32, 32) as people write it."""
    return " × ".join(map(str, shape))


def told(sizes: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n}" for name, n in sizes.items())


def writable(folder: Path) -> None:
    """Raise BadInput unless files can be made in the data folder."""
    import os

    existing = next(p for p in (folder, *folder.absolute().parents) if p.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise BadInput(f"--data-dir {folder}: cannot be written; choose another folder")
