"""Data sets: what a value of the field `dataset` stands for, and its images, decoded once.

A value is a built-in name, `FILE.npz`, a folder of images, `FILE.py:NAME` or `package.module:NAME`.
MNIST and its like are memory-mapped where they lie. Everything else is decoded once into a cache in
the data folder, under the digest of its content, and memory-mapped from there by all workers; they
never look at the user's files nor call his functions. The last `val_size` training images are the
validation set, for every trial.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from vae import data_cache, user_code
from vae.blame import blamed
from vae.components import Component, built_in, check_component
from vae.decoding import DataSet, Images, Progress, Source, content_digest, no_progress
from vae.errors import BadInput, at
from vae.file_digests import digest_of_files, write_down
from vae.idx_files import MNIST_FACTS
from vae.registry import DATASET_TARGETS, check_name
from vae.small_sets import MNIST5K_FACTS, PATCHES_FACTS

if TYPE_CHECKING:
    import numpy as np

YARDSTICKS = ("bernoulli", "discretised")
"""How the yardstick reads a decoder's mean; see `yardstick`."""

CONTENT = "dataset.content"
"""Among a configuration's digests: of what the user's own function returned."""

_NPZ, _FOLDER = "vae.npz_files:npz_file", "vae.image_folders:image_folder"

_KNOWN = {
    "fashion_mnist": MNIST_FACTS,
    "kmnist": MNIST_FACTS,
    "mnist": MNIST_FACTS,
    "mnist5k": MNIST5K_FACTS,
    "patches": PATCHES_FACTS,
}
"""What needs no look at the files; `read` makes sure that they agree."""


# ---------------------------------------------------------------- what a value stands for


@dataclass(frozen=True)
class _Place:
    data_dir: Path
    on_progress: Progress


_place: ContextVar[_Place | None] = ContextVar("_place", default=None)


@contextlib.contextmanager
def place(data_dir: Path, on_progress: Progress = no_progress) -> Iterator[None]:
    """Inside, `describe` may read, download and call the user's functions to know what it is asked.

    Outside, what a tag or an archive names makes nothing happen.
    """
    token = _place.set(_Place(data_dir.absolute(), on_progress))
    try:
        yield
    finally:
        _place.reset(token)


_paths: dict[tuple[str, str], Path] = {}
"""By value and digest, the file or folder that this process was pointed to."""


def check_dataset(value: str, base_folder: Path, digest: str | None = None) -> Component:
    """What `value` of the field `dataset` stands for; arguments and errors of `check_component`.

    The digest of a file or folder is of its content: all of it is read, once for every change.
    """
    target = _target(value, base_folder, digest)
    if target is None:
        return check_component("dataset", value, base_folder, digest)
    if digest is None:
        path = Path(os.path.abspath(base_folder / value))  # noqa: PTH100 - keeps links as they are
        end = "/" if target == _FOLDER else ""
        value = f"{PurePosixPath(os.path.relpath(path, base_folder))}{end}"
        digest = _digest_of(target, path)
        _paths[value, digest] = path
    return built_in("dataset", value, target, digest)


def _target(value: str, base_folder: Path, digest: str | None) -> str | None:
    """Of what reads it, if it is a file or folder."""
    if value.endswith(".npz"):
        return _NPZ
    if ":" in value or value in DATASET_TARGETS:
        return None
    if digest is not None or "/" in value or (base_folder / value).is_dir():
        return _FOLDER
    return None


def _digest_of(target: str, path: Path) -> str:
    where = _place.get()
    data_dir, on_progress = (where.data_dir, where.on_progress) if where else (None, no_progress)
    if target == _NPZ:
        return digest_of_files(path, [path], data_dir, on_progress)
    from vae.image_folders import list_images

    return digest_of_files(path, list_images(path).files(), data_dir, on_progress)


# ------------------------------------------------------------------------ what is known of it

_described: dict[Component, DataSet] = {}
_contents: dict[Component, str] = {}


def complete(component: Component, base_folder: Path) -> Component:
    """The same where its digest depends on its options."""
    return component


def describe(component: Component) -> DataSet | None:
    """What is known of a data set before it is decoded; None if nothing is in this process.

    Raises:
        BadInput: inside `place`, for a data set that cannot be had, or an option that cannot be.
    """
    yardstick(component)
    if component.value in _KNOWN:
        return _KNOWN[component.value]
    where = _place.get()
    if component not in _described and where is not None and _is_here(component):
        key = None if component.is_code else cache_key(component)
        data_set = data_cache.facts(where.data_dir, key) if key else None
        _described[component] = data_set or _source(component, where.data_dir).describe()
    return _described.get(component)


def _is_here(component: Component) -> bool:
    if component.is_code:
        return user_code.known(component.digest) is not None
    return not component.digest or (component.value, component.digest) in _paths


def yardstick(component: Component) -> str:
    """How `nll` reads a decoder's mean: a property of the data set, which an option may change."""
    wanted = dict(component.options).get("yardstick", "discretised")
    with at("dataset.yardstick"):
        return check_name(YARDSTICKS, str(wanted), "yardstick")


def digests_of(component: Component) -> dict[str, str]:
    """What a configuration's `digests` has to say of the data set, inside `place`.

    The user's own function is called, for what it returns is part of the identity as its code is.
    """
    if not component.digest:
        return {}
    where = _place.get()
    if component.is_code and component not in _contents and where is not None:
        source = _source(component, where.data_dir)
        _described[component] = source.describe()
        with _own(component):
            _contents[component] = content_digest(source, where.on_progress)
    content = {CONTENT: _contents[component]} if component in _contents else {}
    return {"dataset": component.digest, **content}


def _source(component: Component, data_dir: Path) -> Source:
    if component.is_code:
        return _source_of_code(component, data_dir)
    given = _paths[component.value, component.digest] if component.digest else data_dir
    source: Source = component.make(given)
    return source


def _source_of_code(component: Component, data_dir: Path) -> Source:
    """The user's own function called: it returns a mapping of arrays, named as in an npz file."""
    import numpy as np

    from vae.image_arrays import in_memory, source_of

    with _own(component):
        returned: Any = component.make(data_dir)
        if not hasattr(returned, "items"):
            raise BadInput(
                f"{component.value}: returns {type(returned).__name__}, and should return a "
                f"mapping of arrays: 'train', and perhaps 'test', 'val' and labels"
            )
        arrays = {key: in_memory(np.asanyarray(array)) for key, array in returned.items()}
    return source_of(component.value, arrays)


@contextlib.contextmanager
def _own(component: Component) -> Iterator[None]:
    """Inside, what goes wrong is told with the line of the user's code that it came from."""
    code = user_code.known(component.digest) if component.is_code else None
    with blamed(code) if code else contextlib.nullcontext():
        yield


# ------------------------------------------------------------------------------- its images


def prepare(
    component: Component,
    base_folder: Path,
    data_dir: Path,
    content: str = "",
    on_progress: Progress = no_progress,
) -> None:
    """Make sure, in the parent process and once on every machine, that `read` finds the images.

    Args:
        base_folder: that the user's own files are relative to
        content: the digest of what the user's own function returned

    Raises:
        BadInput: for a bad file, or one that is not what the digest says.
    """
    data_dir = data_dir.absolute()
    if component.value in _KNOWN:
        component.make(data_dir)
        return
    key = cache_key(component, content)
    if data_cache.facts(data_dir, key):
        return
    if component.digest and not component.is_code:
        _find(component, base_folder)
    source = _source(component, data_dir)
    wait = functools.partial(on_progress, f"waiting for who else decodes {source.name}", 0, 0)
    with data_cache.lock(data_dir, "cache", wait):
        if not data_cache.facts(data_dir, key):
            _decode(component, source, data_dir, key, content, on_progress)
        if component.digest and not component.is_code:
            write_down(_paths[component.value, component.digest], data_dir)


def _decode(
    component: Component,
    source: Source,
    data_dir: Path,
    key: str,
    content: str,
    on_progress: Progress,
) -> None:
    if component.is_code and content_digest(source) != content:
        raise BadInput(f"{component.value}: returns other images each time that it is called")
    data_cache.store(data_dir, key, source, on_progress)
    if component.digest and not component.is_code:
        try:
            _find(component, _paths[component.value, component.digest].parent)
        except BadInput:
            data_cache.forget(data_dir, key)
            raise


def _find(component: Component, base_folder: Path) -> None:
    """Make sure that the file or folder has the content that the digest says."""
    path = _paths.get((component.value, component.digest))
    path = path or Path(os.path.abspath(base_folder / component.value))  # noqa: PTH100
    if not path.exists():
        raise BadInput(
            f"{path}: no such file; the trial's data ({component.digest[:4]}…) are neither here "
            f"nor in the cache of --data-dir"
        )
    found = _digest_of(component.target, path)
    if found != component.digest:
        raise BadInput(
            f"{path}: is not the data that are asked for: its digest is {found[:4]}…, and not "
            f"{component.digest[:4]}…"
        )
    _paths[component.value, component.digest] = path


def cache_key(component: Component, content: str = "") -> str:
    """Of the decoded images: the digest of their content, or the name; and the options."""
    what = content or component.digest or component.value
    options = [f"{n}={v}" for n, v in component.without_defaults().options if n != "yardstick"]
    return "-".join([what, *([] if content else options)])


@functools.lru_cache(maxsize=2)
def read(component: Component, data_dir: str, content: str = "") -> Images:
    """The images of a data set that was prepared; read once per process."""
    folder = Path(data_dir).absolute()
    if component.value in _KNOWN:
        images: Images = component.make(folder)
        return images
    return data_cache.read(folder, cache_key(component, content))


def digest(component: Component, data_dir: str, content: str = "") -> str:
    """A fingerprint of every image of a data set, to be logged with the runs."""
    if component.digest:
        return content or component.digest
    images = read(component, data_dir)
    arrays = (images.train, images.test, images.test_labels)
    return _digest_of_arrays([array for array in arrays if array is not None])


def _digest_of_arrays(arrays: list[np.ndarray]) -> str:
    content = hashlib.sha256()
    for array in arrays:
        content.update(array.data)
    return content.hexdigest()[:16]
