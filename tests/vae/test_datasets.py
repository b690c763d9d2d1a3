"""Data sets: fixed, stratified where it matters, read without decoding, in little memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import REPOSITORY
from vae import datasets
from vae.configuration import Configuration
from vae.datasets import DATASETS, digest, read
from vae.errors import BadInput
from vae.splits import load_splits

SIZES = {"train": 60_000, "t10k": 10_000}


@pytest.fixture(scope="module")
def idx_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated files of MNIST's format and full size."""
    folder = tmp_path_factory.mktemp("data")
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    random = np.random.RandomState(0)
    for kind, n in SIZES.items():
        images = random.randint(0, 256, (n, 28, 28)).astype(np.uint8)
        header = np.array([0x803, n, 28, 28], dtype=">i4").tobytes()
        (raw / f"{kind}-images-idx3-ubyte").write_bytes(header + images.tobytes())
        labels = (np.arange(n) % 10).astype(np.uint8)
        header = np.array([0x801, n], dtype=">i4").tobytes()
        (raw / f"{kind}-labels-idx1-ubyte").write_bytes(header + labels.tobytes())
    return folder


@pytest.mark.parametrize("name", ["mnist", "mnist5k"])
def test_a_data_set_is_what_is_said_of_it(name: str, idx_folder: Path) -> None:
    DATASETS[name].prepare(idx_folder)
    images = read(name, str(idx_folder))
    said = DATASETS[name]
    assert images.train.shape == (said.train_size, *said.shape)
    assert images.test.shape == (said.test_size, *said.shape)
    assert images.test_labels.shape == (said.test_size,)
    assert images.train.dtype == images.test.dtype == np.uint8


def test_mnist5k_is_real_digits_and_balanced_in_every_split() -> None:
    images = read("mnist5k", "nowhere")
    assert np.bincount(images.test_labels).tolist() == [100] * 10
    # Every run of ten holds one of each class, so the tail of any length is balanced, too.
    assert sorted(images.test_labels[:10]) == sorted(images.test_labels[-10:]) == list(range(10))
    assert 30 < images.train.mean() < 37  # MNIST's own mean is 33.3
    unique = np.unique(np.concatenate([images.train, images.test]).reshape(5000, -1), axis=0)
    assert len(unique) == 5000, "no digit is in two splits"


def test_splits_are_fixed_and_do_not_overlap(idx_folder: Path) -> None:
    splits = load_splits(Configuration(val_size=9_000), str(idx_folder))
    assert (len(splits.train), len(splits.val), len(splits.test)) == (51_000, 9_000, 10_000)
    raw = read("mnist", str(idx_folder)).train
    import torch

    last = splits.val.batch(torch.tensor([8_999])).numpy() * 255
    assert np.array_equal(last[0].round(), raw[-1])
    first = splits.val.batch(torch.tensor([0])).numpy() * 255
    assert np.array_equal(first[0].round(), raw[51_000])


def test_static_bits_do_not_depend_on_the_split(idx_folder: Path) -> None:
    import torch

    large, small = (
        load_splits(Configuration(transform="binarize", val_size=n), str(idx_folder))
        for n in (10_000, 5_000)
    )
    assert torch.equal(
        large.val.batch(torch.tensor([9_999])), small.val.batch(torch.tensor([4_999]))
    )


def test_the_yardstick_s_bits_are_the_same_for_every_transform(idx_folder: Path) -> None:
    import torch

    first = torch.arange(100)
    bits = [
        load_splits(Configuration(transform=t), str(idx_folder)).test_bits.batch(first)
        for t in ("none", "grayscale", "binarize", "dynamic_binarize")
    ]
    assert all(torch.equal(bits[0], other) for other in bits[1:])


def test_a_digest_knows_every_image(idx_folder: Path) -> None:
    before = digest("mnist", str(idx_folder))
    assert before == digest("mnist", str(idx_folder))
    assert before != digest("mnist5k", str(idx_folder))


@pytest.mark.parametrize("damage", ["cut", "longer", "header"])
def test_damaged_files_are_named(damage: str, idx_folder: Path, tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for path in (idx_folder / "MNIST" / "raw").iterdir():
        (raw / path.name).symlink_to(path)
    victim = raw / "t10k-labels-idx1-ubyte"
    content = victim.read_bytes()
    victim.unlink()
    changed = {"cut": content[:-1], "longer": content + b"0", "header": b"\0" + content[:-1]}
    victim.write_bytes(changed[damage])
    with pytest.raises(BadInput, match="t10k-labels-idx1-ubyte: truncated or corrupt"):
        DATASETS["mnist"].prepare(tmp_path)


MEMORY = """
import sys
from experiments import worker
from tests.vae.test_datasets import private_memory
from vae.configuration import Configuration, Trial
from vae.splits import load_splits
from vae.training import Training
worker.prepare_process()
before = private_memory()
for transform in ("none", "grayscale", "binarize", "dynamic_binarize"):
    splits = load_splits(Configuration(transform=transform), sys.argv[1])
    import torch
    splits.train.batch(torch.arange(100))
print(private_memory() - before)
"""


def private_memory() -> int:
    """Megabytes that this process has to itself; mapped files are everybody's."""
    text = Path("/proc/self/smaps_rollup").read_text()
    lines = [line.split() for line in text.splitlines()]
    return sum(int(line[1]) for line in lines if line[0].startswith("Private")) // 1024


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux")
def test_a_worker_holds_full_mnist_in_little_memory(idx_folder: Path) -> None:
    """In all transforms at once, it is less than the 60 MB that one is allowed."""
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(idx_folder)],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    megabytes = int(done.stdout)
    print(f"{megabytes} MB")
    assert megabytes <= 60


def test_nothing_is_read_twice(idx_folder: Path) -> None:
    assert datasets.read("mnist", str(idx_folder)) is datasets.read("mnist", str(idx_folder))
