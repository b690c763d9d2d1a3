"""Data sets: what a value of the field `dataset` stands for, and its images, decoded once.

A value is a built-in name, `FILE.npz`, a folder of images, `FILE.py:NAME` or `package.module:NAME`.
MNIST and its like are memory-mapped where they lie. Everything else is decoded once into a cache in
the data folder, under the digest of its content, and memory-mapped from there by all workers; they
never look at the user's files nor call his functions. The last `val_size` training images are the
validation set, for every trial.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from vae.components import user_code
from vae.components.blame import blamed
from vae.components.component import Component, built_in, check_component
from vae.components.registry import DATASET_TARGETS, check_name
from vae.data import cache
from vae.data.file_digests import digest_of_files
from vae.data.idx_files import MNIST_FACTS
from vae.data.small_sets import MNIST5K_FACTS, PATCHES_FACTS
from vae.data.source import DataSet, Progress, Source, content_digest, no_progress
from vae.errors import BadInput, at

YARDSTICKS = ("bernoulli", "discretised")
"""How the yardstick reads a decoder's mean; see `yardstick`."""

_NPZ, _FOLDER = "vae.data.npz_files:npz_file", "vae.data.image_folders:image_folder"

KNOWN = {
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


_place: ContextVar[_Place] = ContextVar("_place")


@contextlib.contextmanager
def place(data_dir: Path, on_progress: Progress = no_progress) -> Iterator[None]:
    """Inside, `check_dataset` and `complete` keep what they compute in `data_dir`, and tell of it.

    What files and functions gave before is not trusted any more: they may have changed.
    """
    _completed.clear()
    token = _place.set(_Place(data_dir.absolute(), on_progress))
    try:
        yield
    finally:
        _place.reset(token)


def _where() -> _Place:
    return _place.get(_Place(Path("data").absolute(), no_progress))


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
    where = _where()
    if target == _NPZ:
        return digest_of_files(path, [path], where.data_dir, where.on_progress)
    from vae.data.image_folders import list_images

    return digest_of_files(path, list_images(path).files(), where.data_dir, where.on_progress)


# ------------------------------------------------------------------------ what is known of it

_completed: dict[Component, Component] = {}
_described: dict[Component, DataSet] = {}


def complete(component: Component, base_folder: Path) -> Component:
    """The same, with its options, once this process knows what `describe` is to say of it.

    What the user's own function returns is part of the digest, as its code is.

    Raises:
        BadInput: for a data set that cannot be had, or an option that cannot be.
    """
    if component not in _completed:
        yardstick(component)
        _completed[component] = _complete(component)
    return _completed[component]


def _complete(component: Component) -> Component:
    where = _where()
    if component.value in KNOWN:
        return component
    if component.is_code:
        return _complete_code(component, where)
    data_set = cache.facts(where.data_dir, cache_key(component))
    _described[component] = data_set or source_of(component, where.data_dir).describe()
    return component


def _complete_code(component: Component, where: _Place) -> Component:
    source = source_of(component, where.data_dir)
    with blamed_on(component):
        content = content_digest(source, where.on_progress)
    digest = digest_of_returned(component.digest, content)
    user_code.remember(user_code.known_of([component.digest]).values(), under=digest)
    completed = replace(component, digest=digest)
    _described[completed] = source.describe()
    return completed


def digest_of_returned(code: str, content: str) -> str:
    return hashlib.sha256(f"{code} {content}".encode()).hexdigest()[:16]


def describe(component: Component) -> DataSet | None:
    """What is known of a data set before it is decoded; None of one that nobody completed here.

    Raises:
        BadInput: for a yardstick that there is not.
    """
    yardstick(component)
    return KNOWN.get(component.value) or _described.get(component)


def yardstick(component: Component) -> str:
    """How `nll` reads a decoder's mean: a property of the data set, which an option may change."""
    wanted = dict(component.options).get("yardstick", "discretised")
    with at("dataset.yardstick"):
        return check_name(YARDSTICKS, str(wanted), "yardstick")


def source_of(component: Component, data_dir: Path) -> Source:
    if component.is_code:
        return _source_of_code(component, data_dir)
    given = _paths[component.value, component.digest] if component.digest else data_dir
    source: Source = component.make(given)
    return source


def _source_of_code(component: Component, data_dir: Path) -> Source:
    """The user's own function called: it returns a mapping of arrays, named as in an npz file."""
    import numpy as np

    from vae.data.image_arrays import in_memory, source_of_arrays

    with blamed_on(component):
        returned: Any = component.make(data_dir)
        if not hasattr(returned, "items"):
            raise BadInput(
                f"{component.value}: returns {type(returned).__name__}, and should return a "
                f"mapping of arrays: 'train', and perhaps 'test', 'val' and labels"
            )
        arrays = {key: in_memory(np.asanyarray(array)) for key, array in returned.items()}
    return source_of_arrays(component.value, arrays)


@contextlib.contextmanager
def blamed_on(component: Component) -> Iterator[None]:
    """Inside, what goes wrong is told with the line of the user's code that it came from."""
    code = user_code.known(component.digest) if component.is_code else None
    with blamed(code) if code else contextlib.nullcontext():
        yield


def path_of(component: Component) -> Path | None:
    """The file or folder that this process checked; None for what is none, or of elsewhere."""
    return _paths.get((component.value, component.digest))


def find(component: Component, path: Path | None = None) -> Path:
    """The file or folder, if it has the content that the digest says.

    Args:
        path: by default where this process checked it, or in the current folder
    """
    path = path or path_of(component) or Path.cwd() / component.value
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
    return path


def cache_key(component: Component) -> str:
    """Of the decoded images: the digest of their content, or the name; and the options."""
    options = [] if component.is_code else component.without_defaults().options
    words = [component.digest or component.value]
    return "-".join([*words, *(f"{name}={v}" for name, v in options if name != "yardstick")])
