"""The images of data sets as a worker maps them."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.complaints import contents
from tests.conftest import REPOSITORY
from tests.generated import noise, write_cifar10, write_npz
from tests.vae.data.test_datasets import FUNCTION, named, stored
from vae.components import user_code
from vae.configuration import Configuration
from vae.data import datasets, decoded
from vae.data.datasets import check_dataset, describe
from vae.data.decoded import digest, prepare, read
from vae.errors import BadInput

IMAGES = noise(60, 6, 6)


@pytest.fixture(autouse=True)
def _forget() -> None:
    decoded.read.cache_clear()


def test_a_file_becomes_images_that_workers_map_without_the_file(tmp_path: Path) -> None:
    write_npz(tmp_path / "faces.npz", {"train": IMAGES})
    data_dir = tmp_path / "data"
    component = named("faces.npz", tmp_path, data_dir)
    assert component.value == "faces.npz"
    assert len(component.digest) == 16
    assert not data_dir.exists(), "nothing is written before a sweep starts"
    prepare(component, data_dir)
    (tmp_path / "faces.npz").unlink()
    assert np.array_equal(stored(component, data_dir)[:, 0], IMAGES)
    assert digest(component, str(data_dir)) == component.digest
    prepare(component, data_dir)  # which finds all that it needs


def test_another_machine_takes_its_own_copy_or_says_that_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_npz(tmp_path / "faces.npz", {"train": IMAGES})
    digest = named("faces.npz", tmp_path, tmp_path / "data").digest
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path / "there")
    datasets._paths.clear()
    elsewhere = check_dataset("faces.npz", Path.cwd(), digest)
    with pytest.raises(BadInput, match=r"faces.npz: no such file; the trial's data"):
        prepare(elsewhere, Path("data"))
    assert contents(tmp_path / "there") == set()
    shutil.copy(tmp_path / "faces.npz", "faces.npz")
    prepare(elsewhere, Path("data"))
    assert len(read(elsewhere, "data").train) == 50


def test_cifar10_is_decoded_once_and_known_by_its_name(tmp_path: Path) -> None:
    train = write_cifar10(tmp_path)
    component = named("cifar10", tmp_path, tmp_path)
    data_set = describe(component)
    assert data_set is not None
    assert (data_set.train_size, data_set.test_size, data_set.val_size) == (150, 30, 25)
    prepare(component, tmp_path)
    shutil.rmtree(tmp_path / "cifar-10-batches-py")
    prepare(component, tmp_path)
    assert np.array_equal(read(component, str(tmp_path)).train, train)
    assert component.digest == "", "its id is that of its name"
    configuration = Configuration(dataset="cifar10", batch_size=10)
    assert (configuration.val_size, configuration.nll_images) == (25, 30)


def test_data_that_changed_under_their_name_are_not_read_for_what_they_were(tmp_path: Path) -> None:
    write_npz(tmp_path / "faces.npz", {"train": IMAGES})
    before = named("faces.npz", tmp_path, tmp_path / "data")
    write_npz(tmp_path / "faces.npz", {"train": IMAGES[::-1]})
    assert named("faces.npz", tmp_path, tmp_path / "data").digest != before.digest
    with pytest.raises(BadInput, match=r"faces.npz: is not the data that are asked for"):
        prepare(before, tmp_path / "data")


NODE = """
import pickle, sys
from pathlib import Path
from vae.components import user_code
from vae.data.decoded import prepare, read
component, code = pickle.loads(sys.stdin.buffer.read())
user_code.remember_all({component.digest: code})
prepare(component, Path("data"))
print(int(read(component, "data").train.sum()))
"""


def test_a_node_without_the_file_calls_the_function_that_it_was_sent(tmp_path: Path) -> None:
    (tmp_path / "data.py").write_text(FUNCTION)
    component = named("data.py:load", tmp_path, tmp_path / "data", shift=3)
    prepare(component, tmp_path / "data")
    sent = pickle.dumps((component, user_code.known(component.digest)))
    (tmp_path / "node").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-c", NODE], input=sent, cwd=tmp_path / "node", env=environment,
        capture_output=True, check=True,
    )  # fmt: skip
    assert int(done.stdout) == int(read(component, str(tmp_path / "data")).train.sum())
