from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.conftest import REPOSITORY
from tests.generated import noise, write_mnist, write_npz
from vae.components.component import Component, check_component
from vae.configuration import Configuration
from vae.data import decoded
from vae.data.datasets import check_dataset, complete, place
from vae.data.decoded import prepare, read
from vae.splits import Splits, load_splits, split
from vae.transforms import Batches, binarize, luma


@pytest.fixture(scope="module")
def mnist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_mnist(folder)
    return folder


def everything(batches: Batches) -> torch.Tensor:
    return batches.batch(torch.arange(len(batches)))


def test_splits_are_fixed_and_do_not_overlap(mnist: Path) -> None:
    splits = load_splits(Configuration(val_size=9_000), str(mnist))
    assert (len(splits.train), len(splits.val), len(splits.test)) == (51_000, 9_000, 10_000)
    raw = read(check_component("dataset", "mnist"), str(mnist))
    last = splits.val.batch(torch.tensor([8_999])).numpy() * 255
    assert np.array_equal(last[0].round(), raw.train[-1])
    first = splits.val.batch(torch.tensor([0])).numpy() * 255
    assert np.array_equal(first[0].round(), raw.train[51_000])
    assert raw.train_labels is not None
    assert splits.train_labels is not None
    assert splits.val_labels is not None
    labels = np.concatenate([splits.train_labels, splits.val_labels])
    assert np.array_equal(labels, raw.train_labels)


def test_static_bits_do_not_depend_on_the_split(mnist: Path) -> None:
    large, small = (
        load_splits(Configuration(transform="binarize", val_size=n), str(mnist))
        for n in (10_000, 5_000)
    )
    for split_of in (lambda s: s.val, lambda s: s.val_pixels):
        last, same = (split_of(large).batch(torch.tensor([9_999])),) * 2
        same = split_of(small).batch(torch.tensor([4_999]))
        assert torch.equal(last, same)


def test_the_yardstick_scores_the_same_bits_of_every_transform(mnist: Path) -> None:
    found = [
        load_splits(Configuration(transform=t), str(mnist))
        for t in ("none", "grayscale", "binarize", "dynamic_binarize")
    ]
    shown = load_splits(Configuration(transform="binarize"), str(mnist))
    indices = torch.arange(100)
    for splits in found:
        assert splits.yardstick == "bernoulli"
        assert torch.equal(splits.val_pixels.batch(indices), shown.val.batch(indices))
        assert torch.equal(splits.test_pixels.batch(indices), shown.test.batch(indices))


# -------------------------------------------------------------------------- colour

COLOUR = noise(60, 3, 6, 6)

TRANSFORMS = """
import torch
from vae.transforms import GrayValues

def contrast(images, stream):
    return GrayValues(torch.from_numpy(images // 2))

def half_as_wide(images, stream):
    return GrayValues(torch.from_numpy(images[..., ::2].copy()))
"""


@pytest.fixture
def colour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    decoded.read.cache_clear()
    write_npz(tmp_path / "colour.npz", {"train": COLOUR})
    (tmp_path / "t.py").write_text(TRANSFORMS)
    return tmp_path


def split_of(colour: Path, transform: str, **options: Any) -> Splits:
    with place(colour / "data"):
        data = complete(check_dataset("colour.npz", colour).with_options(options), colour)
    prepare(data, colour / "data")
    return split(data, check_component("transform", transform), 10, str(colour / "data"))


def test_values_of_the_raw_images_are_scored_whatever_a_transform_shows(colour: Path) -> None:
    raw = torch.from_numpy(COLOUR).float() / 255
    for transform in ("none", "binarize", "t.py:contrast"):
        splits = split_of(colour, transform)
        assert splits.yardstick == "discretised"
        assert torch.equal(everything(splits.val_pixels), raw[40:50])
        assert torch.equal(everything(splits.test_pixels), raw[50:])


def test_bits_are_of_the_raw_images_too(colour: Path) -> None:
    expected = everything(binarize(COLOUR[50:], 1))
    for transform in ("none", "binarize", "t.py:contrast"):
        splits = split_of(colour, transform, yardstick="bernoulli")
        assert torch.equal(everything(splits.test_pixels), expected)


def test_gray_models_of_colour_are_scored_on_the_luma_of_the_raw_images(colour: Path) -> None:
    gray = luma(torch.from_numpy(COLOUR))
    splits = split_of(colour, "grayscale")
    assert splits.test.shape == splits.test_pixels.shape == (1, 6, 6)
    assert torch.equal(everything(splits.test_pixels), gray[50:].float() / 255)
    bits = split_of(colour, "grayscale", yardstick="bernoulli").test_pixels
    assert torch.equal(everything(bits), everything(binarize(gray[50:].numpy(), 1)))


def test_images_of_another_size_are_scored_as_they_are_shown(colour: Path) -> None:
    narrow = COLOUR[..., ::2].copy()
    splits = split_of(colour, "t.py:half_as_wide")
    assert torch.equal(everything(splits.val_pixels), torch.from_numpy(narrow[40:50]).float() / 255)
    bits = split_of(colour, "t.py:half_as_wide", yardstick="bernoulli").test_pixels
    assert torch.equal(everything(bits), everything(binarize(narrow[50:], 1)))


def test_labels_are_none_where_there_are_none(colour: Path) -> None:
    splits = split_of(colour, "none")
    assert splits.train_labels is splits.val_labels is splits.test_labels is None


# ------------------------------------------------------------------- memory of workers

MEMORY = """
import sys
import torch
from experiments.execution.process import prepare_process
from tests.vae.test_splits import private_memory
from vae.components.component import Component, check_component
from vae.configuration import Configuration
from vae.data.datasets import built_in
from vae.splits import split
dataset, digest, data_dir, *transforms = sys.argv[1:]
prepare_process()
component = check_component("dataset", "mnist")
if digest:
    component = built_in("dataset", dataset, "vae.data.npz_files:npz_file", digest)
    component = component.with_options({"yardstick": "bernoulli"})
before = private_memory()
for transform in transforms:
    splits = split(component, check_component("transform", transform), 5000, data_dir)
    for batches in (splits.train, splits.test, splits.test_pixels, splits.val_pixels):
        batches.batch(torch.arange(100))
print(private_memory() - before)
"""


def private_memory() -> int:
    """Megabytes that this process has to itself.

    Not what it has read of mapped files: those pages are the kernel's, which all workers share
    and which it takes back when they are wanted.
    """
    text = Path("/proc/self/smaps_rollup").read_text()
    (line,) = (line.split() for line in text.splitlines() if line.startswith("Anonymous:"))
    return int(line[1]) // 1024


def memory(*arguments: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, *arguments],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    print(f"{done.stdout.strip()} MB")
    return int(done.stdout)


needs_linux = pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="needs Linux")
ALL = ("none", "grayscale", "binarize", "dynamic_binarize")


@needs_linux
def test_a_worker_holds_full_mnist_in_little_memory(mnist: Path) -> None:
    """In all transforms at once, it is less than the 60 MB that one is allowed."""
    assert memory("mnist", "", str(mnist), *ALL) <= 60


@needs_linux
def test_a_worker_holds_hundreds_of_megabytes_of_one_s_own_images_in_little(tmp_path: Path) -> None:
    component = large_data_set(tmp_path)
    assert memory("large.npz", component.digest, str(tmp_path / "data"), *ALL) <= 60
    bits = list((tmp_path / "data" / "cache").glob("*/bits-*.npy"))
    assert sorted(path.name for path in bits) == ["bits-0-all.npy", "bits-0-gray.npy"]


def large_data_set(folder: Path) -> Component:
    """Of 236 MB"""
    images = np.resize(noise(300, 64, 64, 3), (19_200, 64, 64, 3))
    write_npz(folder / "large.npz", {"train": images, "test": images[:500]})
    with place(folder / "data"):
        component = complete(check_dataset("large.npz", folder), folder)
    prepare(component, folder / "data")
    return component
