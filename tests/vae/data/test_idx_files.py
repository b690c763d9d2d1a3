from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.generated import noise, write_idx, write_mnist
from vae.data.decoded import prepare, read
from vae.data.idx_files import MNIST_FACTS, emnist, map_idx, mnist, qmnist
from vae.data.source import no_progress
from vae.errors import BadInput


@pytest.fixture(scope="module")
def idx_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated files of MNIST's format and full size."""
    folder = tmp_path_factory.mktemp("data")
    write_mnist(folder)
    return folder


def test_mnist_is_what_is_said_of_it(idx_folder: Path) -> None:
    images = mnist(idx_folder)
    assert images.train.shape == (MNIST_FACTS.train_size, *MNIST_FACTS.shape)
    assert images.test.shape == (MNIST_FACTS.test_size, *MNIST_FACTS.shape)
    assert images.train.dtype == images.test.dtype == np.uint8
    assert images.train_labels is not None
    assert images.test_labels is not None
    assert np.array_equal(images.test[:, 0], noise(10_000, 28, 28, seed=10_000))
    assert images.train_labels[:11].tolist() == [*range(10), 0]


def link_but(folder: Path, idx_folder: Path, victim: str) -> tuple[Path, bytes]:
    """All files but one; returns that one's path and its content."""
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for path in (idx_folder / "MNIST" / "raw").iterdir():
        if path.name != victim:
            (raw / path.name).symlink_to(path)
    return raw / victim, (idx_folder / "MNIST" / "raw" / victim).read_bytes()


@pytest.mark.parametrize("damage", ["cut", "longer", "header", "empty"])
def test_damaged_files_are_named(damage: str, idx_folder: Path, tmp_path: Path) -> None:
    path, content = link_but(tmp_path, idx_folder, "t10k-labels-idx1-ubyte")
    changed = {
        "cut": content[:-1], "longer": content + b"0", "header": b"\1" + content[1:], "empty": b"",
    }  # fmt: skip
    path.write_bytes(changed[damage])
    with pytest.raises(BadInput, match="t10k-labels-idx1-ubyte: truncated or corrupt"):
        mnist(tmp_path)


def test_another_number_of_images_is_not_mnist(tmp_path: Path) -> None:
    write_mnist(tmp_path, 600, 100)
    with pytest.raises(BadInput, match=r"600 × 1 × 28 × 28 .* not 60000 × 1 × 28 × 28"):
        mnist(tmp_path)


def test_emnist_stands_upright(tmp_path: Path) -> None:
    raw = tmp_path / "EMNIST" / "raw"
    written = {}
    for part, n in (("train", 70), ("test", 12)):
        written[part] = noise(n, 28, 28, seed=n)
        write_idx(raw / f"emnist-letters-{part}-images-idx3-ubyte", written[part])
        write_idx(raw / f"emnist-letters-{part}-labels-idx1-ubyte", np.arange(1, n + 1, dtype="u1"))
    source = emnist(tmp_path, split="letters")
    assert source.describe().train_size == 70
    train = np.concatenate([piece for at, piece in source.pieces(no_progress) if at < 70])
    assert np.array_equal(train[:, 0], written["train"].transpose(0, 2, 1))
    labels = source.labels()
    assert labels is not None
    assert labels.tolist() == [*range(1, 71), *range(1, 13)]
    with pytest.raises(BadInput, match=r"dataset.split 'letter'; did you mean 'letters'"):
        emnist(tmp_path, split="letter")


def test_qmnist_has_labels_of_eight_columns(tmp_path: Path) -> None:
    raw = tmp_path / "QMNIST" / "raw"
    for part, n in (("train", 30), ("test", 20)):
        write_idx(raw / f"qmnist-{part}-images-idx3-ubyte", noise(n, 28, 28))
        columns = np.arange(8 * n, dtype=np.int32).reshape(n, 8)
        write_idx(raw / f"qmnist-{part}-labels-idx2-int", columns)
    source = qmnist(tmp_path)
    data_set = source.describe()
    assert (data_set.train_size, data_set.test_size, data_set.shape) == (30, 20, (1, 28, 28))
    labels = source.labels()
    assert labels is not None
    assert labels[:3].tolist() == [0, 8, 16]


def test_an_idx_file_is_mapped_not_read(idx_folder: Path) -> None:
    path = idx_folder / "MNIST" / "raw" / "train-images-idx3-ubyte"
    assert isinstance(map_idx(path), np.memmap)
    from vae.components.component import check_component

    component = check_component("dataset", "mnist")
    prepare(component, idx_folder)
    assert read(component, str(idx_folder)) is read(component, str(idx_folder))
    assert not (idx_folder / "cache").exists()
