"""Fingerprints of the user's files, computed once for every change of a file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from vae.data import cache
from vae.data.source import Progress
from vae.errors import BadInput

_BLOCK = 1 << 20
_Seen = TypeVar("_Seen")

_known: dict[Path, tuple[str, str]] = {}
"""By path, (signature, digest) of what this process has read."""


def digest_of_files(
    place: Path, files: Iterable[Path | str], data_dir: Path | None, on_progress: Progress
) -> str:
    """Sixteen hexadecimal digits of the names and the content of `files`, in their order.

    Args:
        place: a file or folder that has them all; names are relative to a folder
        data_dir: where earlier digests are remembered, if anywhere

    Raises:
        BadInput: for a file that cannot be read, or is changed meanwhile.
    """
    paths = [os.fspath(file) for file in files]
    before = signature(place, paths)
    remembered = cache.remembered(data_dir, place) if data_dir else {}
    for known in (_known.get(place), (remembered.get("signature"), remembered.get("digest"))):
        if known and known[0] == before and isinstance(known[1], str):
            _known[place] = before, known[1]
            return known[1]
    digest = _digest(place, paths, on_progress)
    if signature(place, paths) != before:
        raise BadInput(f"{place}: was changed while it was read; run this again")
    _known[place] = before, digest
    return digest


def write_down(place: Path, data_dir: Path) -> None:
    """Remember the digest of `place` for the next process; the caller holds the lock."""
    if not is_written_down(place, data_dir):
        signature, digest = _known[place]
        cache.remember(data_dir, place, {"signature": signature, "digest": digest})


def is_written_down(place: Path, data_dir: Path) -> bool:
    """Whether the next process will know what this one knows of `place`, if anything."""
    remembered = cache.remembered(data_dir, place)
    found = remembered.get("signature"), remembered.get("digest")
    return place not in _known or _known[place] == found


def signature(place: Path, paths: Iterable[str]) -> str:
    """Of names, sizes and times: another one whenever a file was written to."""
    content = hashlib.sha256()
    for path in paths:
        status = _told(path, os.stat)
        times = status.st_size, status.st_mtime_ns, status.st_ctime_ns
        content.update(json.dumps([_name(place, path), *times]).encode())
    return content.hexdigest()[:16]


def _digest(place: Path, paths: list[str], on_progress: Progress) -> str:
    content = hashlib.sha256()
    for done, path in enumerate(paths, start=1):
        content.update(json.dumps([_name(place, path), _told(path, _sha256)]).encode())
        on_progress(f"reading {place.name}", done, len(paths))
    return content.hexdigest()[:16]


def _name(place: Path, path: str) -> str:
    """Without what comes before `place`, and with slashes; of a single file nothing is left."""
    return path.removeprefix(os.fspath(place)).replace(os.sep, "/")


def _sha256(path: str) -> str:
    content = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(_BLOCK):
            content.update(block)
    return content.hexdigest()


def _told(path: str, look: Callable[[str], _Seen]) -> _Seen:
    try:
        return look(path)
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from error
