"""The digits to train on: MNIST where there is one, else 5,000 digits over and over."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vae.components.component import check_component
from vae.data.decoded import prepare, read
from vae.errors import BadInput

SMALL = "small"
"""Of the folder that holds the 5,000 digits of `mnist5k` as torchvision reads them."""


def data_folder(wanted: Path, folder: Path) -> Path:
    """A folder with MNIST/raw of 60,000 and 10,000 images.

    Args:
        wanted: the one to use if it holds MNIST
        folder: where to write another one otherwise
    """
    if (wanted / "MNIST" / "raw").is_dir():
        prepare(check_component("dataset", "mnist"), wanted)
        return wanted.absolute()
    write_digits(folder / "data", 60_000, 10_000)
    return folder / "data"


def write_digits(folder: Path, n_train: int, n_test: int) -> None:
    """Write the digits of `mnist5k`, repeated to so many, as the four files of MNIST."""
    raw = folder / "MNIST" / "raw"
    if raw.exists():
        raise BadInput(f"{raw}: exists")
    raw.mkdir(parents=True)
    images = read(check_component("dataset", "mnist5k"), "")
    train = np.resize(images.train[:, 0], (n_train, 28, 28))
    test = np.resize(images.test[:, 0], (n_test, 28, 28))
    _write_idx(raw / "train-images-idx3-ubyte", train)
    _write_idx(raw / "train-labels-idx1-ubyte", np.zeros(n_train, np.uint8))
    _write_idx(raw / "t10k-images-idx3-ubyte", test)
    _write_idx(raw / "t10k-labels-idx1-ubyte", np.zeros(n_test, np.uint8))


def _write_idx(path: Path, array: np.ndarray) -> None:
    """Source: http://yann.lecun.com/exdb/mnist, the IDX format of unsigned bytes."""
    header = np.array([0x800 + array.ndim, *array.shape], dtype=">i4")
    path.write_bytes(header.tobytes() + array.tobytes())
