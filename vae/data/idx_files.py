"""MNIST and its family: files in IDX format, memory-mapped where they lie.

Source of the format: http://yann.lecun.com/exdb/mnist
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vae.components.registry import check_name
from vae.data.downloads import ensure
from vae.data.source import DataSet, Images, Part, Source, of_images
from vae.errors import BadInput

if TYPE_CHECKING:
    import numpy as np

MNIST_FACTS = DataSet(shape=(1, 28, 28), train_size=60_000, test_size=10_000, val_size=10_000)
"""Of MNIST and of what was made to take its place."""

_NAMES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
_EMNIST_SPLITS = ("balanced", "byclass", "bymerge", "digits", "letters", "mnist")
_CHUNK = 4000


def mnist(data_dir: Path, *, yardstick: str = "bernoulli") -> Images:
    """`mnist`: 70,000 digits."""
    return _like_mnist("MNIST", data_dir)


def fashion_mnist(data_dir: Path, *, yardstick: str = "bernoulli") -> Images:
    """`fashion_mnist`: 70,000 pieces of clothing."""
    return _like_mnist("FashionMNIST", data_dir)


def kmnist(data_dir: Path, *, yardstick: str = "bernoulli") -> Images:
    """`kmnist`: 70,000 cursive characters."""
    return _like_mnist("KMNIST", data_dir)


def _like_mnist(torchvision_name: str, data_dir: Path) -> Images:
    files = [data_dir / torchvision_name / "raw" / f"{name}-ubyte" for name in _NAMES]
    ensure(torchvision_name, data_dir, files, lambda: _download(torchvision_name, data_dir))
    train, train_labels, test, test_labels = map(map_idx, files)
    images = Images(train[:, None], test[:, None], train_labels, test_labels)
    return of_images(images, MNIST_FACTS, files[0].parent)


def _download(torchvision_name: str, data_dir: Path, **options: str) -> None:
    import torchvision.datasets  # slow, and needed by the first sweep only

    getattr(torchvision.datasets, torchvision_name)(root=str(data_dir), download=True, **options)


def emnist(data_dir: Path, *, split: str = "balanced", yardstick: str = "bernoulli") -> Source:
    """`emnist`: letters and digits, upright (their files have them on their side)."""
    check_name(_EMNIST_SPLITS, split, "dataset.split")
    raw = data_dir / "EMNIST" / "raw"
    files = [
        raw / f"emnist-{split}-{part}-{kind}-ubyte"
        for part in ("train", "test")
        for kind in ("images-idx3", "labels-idx1")
    ]
    ensure("EMNIST", data_dir, files, lambda: _download("EMNIST", data_dir, split=split))
    train, train_labels, test, test_labels = map(map_idx, files)
    parts = {
        "train": _part(train.transpose(0, 2, 1), train_labels),
        "test": _part(test.transpose(0, 2, 1), test_labels),
    }
    return Source("emnist", parts)


def qmnist(data_dir: Path, *, yardstick: str = "bernoulli") -> Source:
    """`qmnist`: MNIST's training images with 60,000 test images of the same origin."""
    raw = data_dir / "QMNIST" / "raw"
    return Source("qmnist", {part: _qmnist_part(part, raw, data_dir) for part in ("train", "test")})


def _qmnist_part(part: str, raw: Path, data_dir: Path) -> Part:
    files = [raw / f"qmnist-{part}-{kind}" for kind in ("images-idx3-ubyte", "labels-idx2-int")]
    ensure("QMNIST", data_dir, files, lambda: _download("QMNIST", data_dir, what=part))
    images, labels = map(map_idx, files)
    return _part(images, labels[:, 0])


def _part(images: np.ndarray, labels: np.ndarray) -> Part:
    n, height, width = images.shape

    def chunks() -> Iterator[np.ndarray]:
        for start in range(0, n, _CHUNK):
            yield images[start : start + _CHUNK, None]

    return Part(n, (1, height, width), chunks, labels)


_TYPES = {0x08: "u1", 0x0C: ">i4"}


def map_idx(path: Path) -> np.ndarray:
    """Map an IDX file of unsigned bytes or of 32-bit integers.

    Raises:
        BadInput: when the file is not what its name promises.
    """
    import numpy as np

    n_dims = int(path.name.partition("-idx")[2][0])
    with path.open("rb") as file:
        magic = file.read(4)
        sizes = np.frombuffer(file.read(4 * n_dims), ">i4")
    type_code = _TYPES.get(magic[2]) if len(magic) == 4 and magic[:2] == b"\0\0" else None
    shape = tuple(int(size) for size in sizes)
    offset = 4 + 4 * n_dims
    if (
        type_code is None
        or magic[3] != n_dims
        or len(shape) != n_dims
        or min(shape) < 1
        or path.stat().st_size != offset + int(np.prod(shape)) * np.dtype(type_code).itemsize
    ):
        raise BadInput(
            f"{path}: truncated or corrupt; delete its folder to have it downloaded again"
        )
    # Copy-on-write: torch wants a writable buffer, and nobody writes.
    return np.memmap(path, dtype=type_code, mode="c", offset=offset, shape=shape)
