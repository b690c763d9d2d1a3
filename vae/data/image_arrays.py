"""Arrays of images as people have them, checked and made into parts of a data set.

An array is `(n, height, width)`, `(n, height, width, channels)` or `(n, channels, height, width)`,
gray or colour, of `uint8`, of booleans (black and white) or of floats in [0, 1], which become the
nearest of 256 values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vae.components.registry import check_name
from vae.data.source import PARTS, Part, Source
from vae.errors import BadInput, at

if TYPE_CHECKING:
    import numpy as np

KEYS = (*PARTS, *(f"{part}_labels" for part in PARTS))
"""Names of the arrays; `labels` is another name of `train_labels`."""

_CHUNK_BYTES = 4 << 20
_CHANNELS = (1, 3)
_MOST_CLASSES = 2**31 - 1


@dataclass(frozen=True)
class RawArray:
    """An array that need not be in memory.

    Attributes:
        rows: yields it from the start, so many rows at a time as it is told
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    rows: Callable[[int], Iterator[np.ndarray]]


def in_memory(array: np.ndarray) -> RawArray:
    def rows(n: int) -> Iterator[np.ndarray]:
        for start in range(0, len(array), n):
            yield array[start : start + n]

    return RawArray(array.shape, array.dtype, rows)


def source_of_arrays(name: str, arrays: Mapping[str, RawArray]) -> Source:
    """The data set of arrays named as in `KEYS`.

    Raises:
        BadInput: that names the array, where one cannot be images or labels.
    """
    arrays = {"train_labels" if key == "labels" else str(key): a for key, a in arrays.items()}
    parts = {}
    with at(name):
        for key in arrays:
            check_name(KEYS, key, "array")
        if "train" not in arrays:
            raise BadInput(f"has no array 'train' ({', '.join(sorted(arrays)) or 'empty'})")
        for key in PARTS:
            with at(key):
                if key in arrays:
                    parts[key] = _part(name, key, arrays[key], arrays.get(f"{key}_labels"))
                elif f"{key}_labels" in arrays:
                    raise BadInput(f"has labels and no images: add the array '{key}'")
        parts = _same_classes(parts)
    return Source(name, parts)


def _part(name: str, key: str, array: RawArray, labels: RawArray | None) -> Part:
    layout = _Layout.of(array)
    if layout.n == 0:
        raise BadInput("is empty")

    def chunks() -> Iterator[np.ndarray]:
        height, width = layout.shape[1:]
        row_bytes = layout.shape[0] * height * width * max(4, array.dtype.itemsize)
        with at(name), at(key):
            levels = _Levels()
            for rows in array.rows(max(1, _CHUNK_BYTES // row_bytes)):
                yield layout.in_order(levels.of(rows))
            levels.check()

    known = None if labels is None else _labels(labels, layout.n)
    return Part(layout.n, layout.shape, chunks, known)


@dataclass(frozen=True)
class _Layout:
    """Attributes: axis: where the channels are: 1, 3, or 0 for nowhere"""

    n: int
    shape: tuple[int, int, int]
    axis: int

    @classmethod
    def of(cls, array: RawArray) -> _Layout:
        shape = array.shape
        if array.dtype.hasobject:
            raise BadInput("holds Python objects, not numbers: images of several sizes, perhaps?")
        if array.dtype.kind not in "bf" and array.dtype != "uint8":
            raise BadInput(f"is of {array.dtype}; should be uint8, or floats in [0, 1]")
        if 0 in shape[1:] or len(shape) not in (3, 4):
            raise BadInput(
                f"has shape {shape}; should be (n, height, width), (n, height, width, channels) "
                f"or (n, channels, height, width)"
            )
        if len(shape) == 3:
            return cls(shape[0], (1, shape[1], shape[2]), 0)
        first, last = shape[1] in _CHANNELS, shape[3] in _CHANNELS
        if first and last:
            raise BadInput(f"has shape {shape}, in which axis 1 or axis 3 could be the channels")
        if not first and not last:
            raise BadInput(f"has shape {shape}; should have 1 or 3 channels, on axis 1 or 3")
        if first:
            return cls(shape[0], (shape[1], shape[2], shape[3]), 1)
        return cls(shape[0], (shape[3], shape[1], shape[2]), 3)

    def in_order(self, rows: np.ndarray) -> np.ndarray:
        """`(a few, channels, height, width)`"""
        if self.axis == 0:
            return rows[:, None]
        return rows if self.axis == 1 else rows.transpose(0, 3, 1, 2)


class _Levels:
    """Values as `uint8`, and what was seen of them."""

    def __init__(self) -> None:
        self._kind, self._highest = "", 0

    def of(self, rows: np.ndarray) -> np.ndarray:
        import numpy as np

        self._kind = rows.dtype.kind
        if self._kind == "b":
            return rows.astype(np.uint8) * np.uint8(255)
        if self._kind == "f":
            rows = self._levels_of_floats(rows)
        self._highest = max(self._highest, int(rows.max()))
        return rows

    def _levels_of_floats(self, rows: np.ndarray) -> np.ndarray:
        import numpy as np

        low, high = float(rows.min()), float(rows.max())  # NaN if there is one
        if np.isnan(low):
            raise BadInput("holds NaN")
        if low < 0 or high > 1:
            outside = low if low < 0 else high
            way_out = ": divide by 255" if 1 < high <= 255 and low >= 0 else ""
            raise BadInput(f"holds {outside:g}, and floats should be in [0, 1]{way_out}")
        return np.rint(rows.astype(np.float32) * 255).astype(np.uint8)

    def check(self) -> None:
        if self._kind == "u" and self._highest == 1:
            raise BadInput(
                "holds 0 and 1 as uint8, of 255: multiply by 255, or store booleans for bits"
            )


def _labels(array: RawArray, n: int) -> np.ndarray:
    """Whole numbers or words, one for each image."""
    import numpy as np

    if array.dtype.hasobject or array.dtype.kind not in "iuU":
        raise BadInput(f"its labels are of {array.dtype}; should be whole numbers or words")
    if array.shape != (n,):
        raise BadInput(f"has {n} images and labels of shape {array.shape}; should be ({n},)")
    labels = np.concatenate([*array.rows(n)])
    if labels.dtype.kind != "U" and (labels.min() < 0 or labels.max() > _MOST_CLASSES):
        raise BadInput("its labels should be from 0 on")
    return labels


def _same_classes(parts: dict[str, Part]) -> dict[str, Part]:
    """Words become their place in the alphabet, the same in every part."""
    import numpy as np

    labels = {key: part.labels for key, part in parts.items() if part.labels is not None}
    words = [known for known in labels.values() if known.dtype.kind == "U"]
    if not words:
        return parts
    if len(words) < len(labels):
        raise BadInput(f"the labels of some of {', '.join(labels)} are words, of others numbers")
    classes = np.unique(np.concatenate(words))
    places = {key: np.searchsorted(classes, known) for key, known in labels.items()}
    return {key: replace(part, labels=places.get(key)) for key, part in parts.items()}
