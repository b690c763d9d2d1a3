"""Data sets that torchvision can get: fetched once, by one process at a time."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

from vae.data.cache import lock, lock_file
from vae.errors import BadInput


def ensure(name: str, data_dir: Path, files: Iterable[Path], get: Callable[[], object]) -> None:
    """Call `get` unless `files` are there; wait for another process that does.

    Args:
        name: of the data set, as messages say it

    Raises:
        BadInput: where they cannot be had.
    """
    wanted = tuple(files)
    being_made = lock_file(data_dir, name).exists()  # some files may be there in part
    if not being_made and all(file.exists() for file in wanted):
        return
    with lock(data_dir, name):
        if not all(file.exists() for file in wanted):
            _get(name, data_dir, wanted[0], get)


def _get(name: str, data_dir: Path, example: Path, get: Callable[[], object]) -> None:
    try:
        get()
    except (OSError, EOFError, RuntimeError, zlib.error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(
            f"cannot get {name} into {data_dir} ({reason}): use `dataset: mnist5k` or `patches`, "
            f"which need no network, or point --data-dir at a folder that holds "
            f"{example.relative_to(data_dir)}"
        ) from error
