"""CIFAR-10 and SVHN in their real formats with generated content."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from tests.generated import noise, write_cifar10
from tests.vae.data.test_image_arrays import stored
from tests.vae.data.test_npz_files import Bomb
from vae.data.colour_sets import cifar10, svhn
from vae.errors import BadInput


def test_cifar10_is_read_from_its_six_files(tmp_path: Path) -> None:
    train = write_cifar10(tmp_path)
    found = cifar10(tmp_path)
    data_set = found.describe()
    assert (data_set.shape, data_set.train_size, data_set.test_size) == ((3, 32, 32), 150, 30)
    assert np.array_equal(stored(found)[:150], train)
    labels = found.labels()
    assert labels is not None
    assert labels[:12].tolist() == [*range(10), 0, 1]


@pytest.mark.parametrize("case", ["cut", "bomb", "other content", "other sizes", "empty"])
def test_a_pickle_is_read_as_data_alone(case: str, tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    victim = tmp_path / "cifar-10-batches-py" / "data_batch_3"
    content = {
        "cut": victim.read_bytes()[:-50],
        "bomb": pickle.dumps({"data": Bomb(tmp_path / "executed"), "labels": []}),
        "other content": pickle.dumps([1, 2, 3]),
        "other sizes": pickle.dumps({"data": noise(30, 3000), "labels": [0] * 30}),
        "empty": b"",
    }
    victim.write_bytes(content[case])
    with pytest.raises(BadInput, match="data_batch_3: truncated or corrupt"):
        cifar10(tmp_path)
    assert not (tmp_path / "executed").exists()


def write_svhn(folder: Path) -> np.ndarray:
    images = noise(40, 3, 32, 32)
    for part, n in (("train", 40), ("test", 8)):
        labels = np.arange(1, n + 1)[:, None] % 10 + 1
        content = {"X": images[:n].transpose(2, 3, 1, 0), "y": labels.astype(np.uint8)}
        savemat(folder / f"{part}_32x32.mat", content)
    return images


def test_svhn_is_read_from_its_two_files_and_its_ten_is_a_nought(tmp_path: Path) -> None:
    images = write_svhn(tmp_path)
    found = svhn(tmp_path)
    assert np.array_equal(stored(found)[:40], images)
    labels = found.labels()
    assert labels is not None
    assert labels[:10].tolist() == [2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


@pytest.mark.parametrize("case", ["cut", "text", "other arrays", "other shape"])
def test_a_damaged_file_of_svhn_is_named(case: str, tmp_path: Path) -> None:
    write_svhn(tmp_path)
    victim = tmp_path / "test_32x32.mat"
    if case == "cut":
        victim.write_bytes(victim.read_bytes()[:-1000])
    elif case == "text":
        victim.write_text("no matrix")
    else:
        name = "X" if case == "other shape" else "Z"
        savemat(victim, {name: noise(8, 32, 32), "y": np.ones((8, 1), np.uint8)})
    with pytest.raises(BadInput, match=r"test_32x32.mat: truncated or corrupt"):
        svhn(tmp_path)
