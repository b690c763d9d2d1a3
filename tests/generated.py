"""Generated data sets in the formats that people and downloads have."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def noise(n: int, *shape: int, seed: int = 0) -> np.ndarray:
    """`uint8`"""
    return np.random.RandomState(seed).randint(0, 256, (n, *shape)).astype(np.uint8)


def write_idx(path: Path, array: np.ndarray) -> None:
    """Of unsigned bytes, or of 32-bit integers."""
    code = 0x0C if array.dtype == np.int32 else 0x08
    header = np.array([code << 8 | array.ndim, *array.shape], dtype=">i4").tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + array.astype(">i4" if code == 0x0C else "u1").tobytes())


def write_mnist(folder: Path, n_train: int = 60_000, n_test: int = 10_000) -> None:
    """Files of MNIST's format and, by default, size."""
    raw = folder / "MNIST" / "raw"
    for kind, n in (("train", n_train), ("t10k", n_test)):
        write_idx(raw / f"{kind}-images-idx3-ubyte", noise(n, 28, 28, seed=n))
        write_idx(raw / f"{kind}-labels-idx1-ubyte", (np.arange(n) % 10).astype(np.uint8))


def write_cifar10(folder: Path, n_per_file: int = 30) -> np.ndarray:
    """The six pickles of CIFAR-10, as Python 2 wrote them; returns the training images."""
    batches = folder / "cifar-10-batches-py"
    batches.mkdir(parents=True)
    images = []
    for k, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        images.append(noise(n_per_file, 3, 32, 32, seed=k))
        content = {
            "batch_label": name,
            "labels": [i % 10 for i in range(n_per_file)],
            "data": images[-1].reshape(n_per_file, -1),
            "filenames": [f"{i}.png" for i in range(n_per_file)],
        }
        (batches / name).write_bytes(pickle.dumps(content, protocol=2))
    return np.concatenate(images[:5])


def write_images(folder: Path, images: np.ndarray, suffix: str = ".png") -> None:
    """One file for each of `images`, `(n, height, width)` or `(n, height, width, 3)`."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{i:05}{suffix}")


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path
