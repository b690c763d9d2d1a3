"""Data sets in a folder of PNG and JPEG files.

`FOLDER/[train|test|val]/[class]/image.png`, where both levels may be missing. Images are taken in
the order of their names; those of several classes in turn, so that every run of them, and so the
last sixth, has all classes in their proportions.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vae.components.local_modules import shown
from vae.data.source import PARTS, Part, Source, by
from vae.errors import BadInput

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg")
_CHUNK_BYTES = 4 << 20
_LARGEST = 4096
"""Pixels of a side."""


@dataclass(frozen=True)
class ImageFile:
    """Attributes: label: the place of its class folder among all, in alphabetical order"""

    path: str
    label: int | None


@dataclass(frozen=True)
class Listing:
    """The images of a folder, in order.

    Attributes:
        parts: the images of `train` and perhaps `test` and `val`
        others: how many files are no images
    """

    folder: Path
    parts: Mapping[str, tuple[ImageFile, ...]]
    others: int

    def files(self) -> Iterator[str]:
        """The paths of all images."""
        for files in self.parts.values():
            yield from (file.path for file in files)


def image_folder(folder: Path, *, size: int = 0, yardstick: str = "discretised") -> Source:
    """A folder of images.

    Args:
        size: the largest square in the middle of each image is scaled to `size` × `size` pixels;
            0 takes them as they are, and then they should be of one size

    Raises:
        BadInput: for a folder, or a file in it, that cannot be part of a data set.
    """
    if not 0 <= size <= _LARGEST:
        raise BadInput(f"dataset.size {size}: should be from 1 to {_LARGEST}, or 0 to leave sizes")
    listing = list_images(folder)
    first = _decode(listing.parts["train"][0].path, size)
    channels, height, width = first.shape
    parts = {
        name: _part(files, (channels, height, width), size, listing.parts["train"][0].path)
        for name, files in listing.parts.items()
    }
    notes: tuple[str, ...] = ()
    if listing.others:
        notes = (
            f"{shown(folder)}: {listing.others} files are neither PNG nor JPEG and are left out",
        )
    return Source(shown(folder), parts, notes)


# ----------------------------------------------------------------------- which files


def list_images(folder: Path) -> Listing:
    """The images of a folder, by its layout.

    Raises:
        BadInput: for a layout that is not one of those.
    """
    try:
        top = _Level.of(folder)
        if "train" not in top.folders:
            for name in ("test", "val"):
                if name in top.folders:
                    raise BadInput(f"{folder}: has a folder {name} and no folder train")
            levels = {"train": top}
        else:
            _only_parts(folder, top)
            levels = {name: _Level.of(folder / name) for name in top.folders}
        return _listing(folder, levels)
    except OSError as error:
        raise BadInput(f"{error.filename}: {error.strerror}") from error


def _only_parts(folder: Path, top: _Level) -> None:
    """Beside train/ there is nothing but test/ and val/."""
    for name in (*top.folders, *top.images):
        if name not in PARTS:
            raise BadInput(f"{folder / name}: lies beside {folder / 'train'}; expected test or val")


def _listing(folder: Path, levels: Mapping[str, _Level]) -> Listing:
    classes = sorted({name for level in levels.values() for name in level.folders})
    parts, others = {}, 0
    for part, level in levels.items():
        parts[part] = tuple(_in_turn(level, classes))
        others += level.n_others
        if not parts[part]:
            raise BadInput(f"{level.path}: holds no PNG or JPEG files")
    return Listing(folder, parts, others)


def _in_turn(level: _Level, classes: list[str]) -> Iterator[ImageFile]:
    """In the order of the names; of several classes, each at equal distances."""
    folder = level.path
    if level.folders and level.images:
        raise BadInput(f"{folder / level.images[0]}: lies beside folders, which stand for classes")
    if not level.folders:
        yield from (ImageFile(f"{folder}{os.sep}{name}", None) for name in level.images)
        return
    placed = []
    for name in level.folders:
        inner = _Level.of(folder / name)
        level.n_others += inner.n_others
        if inner.folders:
            raise BadInput(f"{folder / name / inner.folders[0]}: is a folder inside a class folder")
        if not inner.images:
            raise BadInput(f"{folder / name}: holds no PNG or JPEG files")
        label, n = classes.index(name), len(inner.images)
        paths = (f"{folder}{os.sep}{name}{os.sep}{image}" for image in inner.images)
        placed += [((2 * i + 1) / (2 * n), label, path) for i, path in enumerate(paths)]
    yield from (ImageFile(path, label) for _, label, path in sorted(placed))


@dataclass
class _Level:
    """What is in a folder, by name. Hidden files are not looked at."""

    path: Path
    folders: list[str]
    images: list[str]
    n_others: int = 0

    @classmethod
    def of(cls, path: Path) -> _Level:
        level = cls(path, [], [])
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    level.folders.append(entry.name)
                elif entry.name.lower().endswith(SUFFIXES):
                    level.images.append(entry.name)
                else:
                    level.n_others += 1
        level.folders.sort()
        level.images.sort()
        return level


# ------------------------------------------------------------------------ what is in them


def _part(files: tuple[ImageFile, ...], shape: tuple[int, int, int], size: int, first: str) -> Part:
    import numpy as np

    def chunks() -> Iterator[np.ndarray]:
        n = max(1, _CHUNK_BYTES // int(np.prod(shape)))
        for start in range(0, len(files), n):
            yield np.stack([like_first(file.path) for file in files[start : start + n]])

    def like_first(path: str) -> np.ndarray:
        image = _decode(path, size)
        if image.shape[0] != shape[0]:
            raise BadInput(f"{path}: is {_colours(image.shape)}, and {first} is {_colours(shape)}")
        if image.shape != shape:
            raise BadInput(
                f"{path}: is {by(image.shape[1:])} pixels, and {first} {by(shape[1:])}; the option "
                f"dataset.size crops and scales them"
            )
        return image

    labels = [file.label for file in files]
    return Part(len(files), shape, chunks, None if None in labels else np.array(labels))


def _colours(shape: tuple[int, ...]) -> str:
    return "gray" if shape[0] == 1 else "in colour"


_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)
"""What Pillow raises for files that are not what they claim to be."""


def _decode(path: str, size: int) -> np.ndarray:
    """An image file as `uint8`, `(channels, height, width)`, the way up that its camera says."""
    import numpy as np
    from PIL import Image, ImageOps

    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            turned = ImageOps.exif_transpose(_in_known_mode(path, image))
            if size:
                turned = _middle(turned).resize((size, size), Image.Resampling.LANCZOS)
            pixels = np.asarray(turned)
    except BadInput:
        raise
    except (*_DAMAGE, Image.DecompressionBombError) as error:
        reason = " ".join(str(error).split())[:80] or type(error).__name__
        raise BadInput(f"{path}: cannot be read as PNG or JPEG ({reason})") from error
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def _middle(image: Image.Image) -> Image.Image:
    """Its largest square; cut out first, so that scaling mixes in nothing from beside it."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _in_known_mode(path: str, image: Image.Image) -> Image.Image:
    """Gray or red, green and blue, of eight bits each."""
    if "transparency" in image.info or image.mode in ("LA", "PA", "RGBA"):
        raise BadInput(f"{path}: is partly transparent; save it without an alpha channel")
    if image.mode in ("L", "RGB"):
        return image
    if image.mode in ("1", "P"):
        return image.convert("L" if image.mode == "1" else "RGB")
    raise BadInput(f"{path}: is of mode {image.mode}; save it as gray or RGB of 8 bits")
