"""Data sets in a file `FILE.npz`, as `numpy.savez` and `savez_compressed` write it.

Read as a stream, so that it may be larger than memory. Nothing in it is executed: arrays of Python
objects are refused by their header.
"""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from vae.components.local_modules import shown
from vae.data.image_arrays import RawArray, in_memory, source_of_arrays
from vae.data.source import Source
from vae.errors import BadInput

if TYPE_CHECKING:
    import numpy as np

_TROUBLE = (OSError, EOFError, ValueError, NotImplementedError, zipfile.BadZipFile, zlib.error)
"""What comes of reading a file that is not what its name says. NotImplementedError: encrypted, or
compressed in a way that Python cannot read."""


def npz_file(path: Path, *, yardstick: str = "discretised") -> Source:
    """`FILE.npz`: `train`, and perhaps `test`, `val` and the labels of each.

    Raises:
        BadInput: for a file, or an array in it, that cannot be a data set.
    """
    with _damage(path), zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".npy")]
        arrays = {name.removesuffix(".npy"): _array(path, name, archive) for name in names}
    return source_of_arrays(shown(path), arrays)


@contextlib.contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except BadInput:  # which is a ValueError
        raise
    except FileNotFoundError as error:
        raise BadInput(f"{shown(path)}: no such file") from error
    except _TROUBLE as error:
        reason = " ".join(str(error).split())[:80] or type(error).__name__
        raise BadInput(f"{shown(path)}: is truncated, or no npz file ({reason})") from error


def _array(path: Path, name: str, archive: zipfile.ZipFile) -> RawArray:
    with archive.open(name) as file:
        shape, fortran_order, dtype = _header(file)

    def rows(n: int) -> Iterator[np.ndarray]:
        if dtype.hasobject:
            raise BadInput("holds Python objects")
        if fortran_order:  # the first axis is the fastest: all of it is one piece
            yield from in_memory(_whole(path, name)).rows(n)
        else:
            yield from _rows(path, name, n)

    return RawArray(shape, dtype, rows)


def _header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Of an `.npy` file. Source: numpy.lib.format, versions 1.0 and 2.0."""
    import numpy as np

    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    return np.lib.format.read_array_header_2_0(file)


def _whole(path: Path, name: str) -> np.ndarray:
    import numpy as np

    with _damage(path), np.load(path, allow_pickle=False) as archive:
        return np.asarray(archive[name.removesuffix(".npy")])


def _rows(path: Path, name: str, n: int) -> Iterator[np.ndarray]:
    import numpy as np

    with _damage(path), zipfile.ZipFile(path) as archive, archive.open(name) as file:
        shape, _, dtype = _header(file)
        row_bytes = int(np.prod(shape[1:])) * dtype.itemsize
        for start in range(0, shape[0], n):
            wanted = min(n, shape[0] - start)
            content = file.read(wanted * row_bytes)
            if len(content) < wanted * row_bytes:
                raise EOFError(f"{name} ends early")
            yield np.frombuffer(content, dtype).reshape(wanted, *shape[1:])
        file.read(1)  # the end, where the checksum is compared
