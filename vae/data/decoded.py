"""The images of data sets: decoded once, and memory-mapped by every worker."""

from __future__ import annotations

import contextlib
import functools
import hashlib
from pathlib import Path

from vae.components import user_code
from vae.components.component import Component
from vae.data import cache
from vae.data.datasets import (
    KNOWN,
    blamed_on,
    cache_key,
    digest_of_returned,
    find,
    path_of,
    source_of,
)
from vae.data.file_digests import is_written_down, write_down
from vae.data.source import Images, Progress, Source, content_digest, no_progress
from vae.errors import BadInput


def prepare(
    component: Component,
    data_dir: Path,
    path: Path | None = None,
    on_progress: Progress = no_progress,
) -> None:
    """Make sure, in the parent process and once on every machine, that `read` finds the images.

    Args:
        path: of the user's own file or folder; by default where this process checked it, or in
            the current folder

    Raises:
        BadInput: for a bad file, or one that is not what the digest says.
    """
    data_dir = data_dir.absolute()
    if component.value in KNOWN:
        component.make(data_dir)
        return
    key = cache_key(component)
    if cache.facts(data_dir, key):
        _remember_digest(component, data_dir)
        return
    found = None
    if component.digest and not component.is_code:
        found = find(component, path)
    source = source_of(component, data_dir)
    wait = functools.partial(on_progress, f"waiting for who else decodes {source.name}", 0, 0)
    with cache.lock(data_dir, "cache", wait):
        if not cache.facts(data_dir, key):
            _decode(component, source, data_dir, on_progress)
        if found:
            write_down(found, data_dir)


def _remember_digest(component: Component, data_dir: Path) -> None:
    """Of a file whose content is as before, but not the time at which it was written."""
    path = path_of(component)
    if path and not is_written_down(path, data_dir):
        with contextlib.suppress(BadInput), cache.lock(data_dir, "cache"):  # or read again
            write_down(path, data_dir)


def _decode(component: Component, source: Source, data_dir: Path, on_progress: Progress) -> None:
    key = cache_key(component)
    if component.is_code:
        _check_content(component, source)
    cache.store(data_dir, key, source, on_progress)
    if component.digest and not component.is_code:
        try:
            find(component)
        except BadInput:  # it was changed meanwhile
            cache.forget(data_dir, key)
            raise


def _check_content(component: Component, source: Source) -> None:
    """The user's own function was called before, perhaps on another machine."""
    with blamed_on(component):
        content = content_digest(source)
    code = user_code.known(component.digest)
    if digest_of_returned(code.digest if code else "", content) != component.digest:
        raise BadInput(
            f"{component.value}: does not return the images that it returned before; are they the "
            f"same at every call, and on every machine?"
        )


@functools.lru_cache(maxsize=2)
def read(component: Component, data_dir: str) -> Images:
    """The images of a data set that was prepared; read once per process."""
    folder = Path(data_dir).absolute()
    if component.value in KNOWN:
        images: Images = component.make(folder)
        return images
    return cache.read(folder, cache_key(component))


def digest(component: Component, data_dir: str) -> str:
    """A fingerprint of a data set, to be logged with the runs."""
    if component.digest:
        return component.digest
    images = read(component, data_dir)
    content = hashlib.sha256()
    for array in (images.train, images.test, images.test_labels):
        if array is not None:
            content.update(array.data)
    return content.hexdigest()[:16]
