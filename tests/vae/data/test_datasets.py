"""What a value of the field `dataset` stands for, from the file to what a worker maps."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.complaints import contents
from tests.generated import noise, write_images, write_npz
from vae.components.component import Component, check_component
from vae.components.registry import DATASET_TARGETS
from vae.configuration import Configuration
from vae.data import datasets, decoded
from vae.data.datasets import check_dataset, complete, describe, place, yardstick
from vae.data.decoded import prepare, read
from vae.errors import BadInput

IMAGES = noise(60, 6, 6)


@pytest.fixture(autouse=True)
def _forget() -> None:
    decoded.read.cache_clear()
    datasets._described.clear()


def named(value: str, folder: Path, data_dir: Path, **options: Any) -> Component:
    """As an experiment file names it."""
    with place(data_dir):
        component = check_dataset(value, folder).with_options(options)
        return complete(component, folder)


def stored(component: Component, data_dir: Path) -> np.ndarray:
    """All images, as a worker maps them."""
    images = read(component, str(data_dir))
    return np.concatenate([images.train, images.test])


def test_every_built_in_has_the_option_yardstick_and_says_what_it_is() -> None:
    bernoulli = {"emnist", "fashion_mnist", "kmnist", "mnist", "mnist5k", "qmnist"}
    for name in DATASET_TARGETS:
        component = check_component("dataset", name)
        assert yardstick(component) == ("bernoulli" if name in bernoulli else "discretised")
        other = component.with_options({"yardstick": "bernoulli"})
        assert yardstick(other) == "bernoulli"
        assert inspect.getdoc(component.load()), name
    with pytest.raises(BadInput, match=r"dataset.yardstick: .*'gaussian'; .*\(bernoulli, discret"):
        yardstick(check_component("dataset", "mnist").with_options({"yardstick": "gaussian"}))


def test_a_folder_is_told_from_a_name_and_its_option_makes_other_images(tmp_path: Path) -> None:
    write_images(tmp_path / "faces", IMAGES)
    data_dir = tmp_path / "data"
    whole, small = (named("faces", tmp_path, data_dir, size=n) for n in (0, 3))
    assert whole.value == small.value == "faces/"
    assert whole.digest == small.digest
    for component, shape in ((whole, (1, 6, 6)), (small, (1, 3, 3))):
        data_set = describe(component)
        assert data_set is not None
        assert data_set.shape == shape
        prepare(component, data_dir)
        assert stored(component, data_dir).shape == (60, *shape)
    yardsticks = named("faces", tmp_path, data_dir, yardstick="bernoulli")
    prepare(yardsticks, data_dir)
    assert len(list((data_dir / "cache").glob("*/facts.json"))) == 2, "pixels are the same"


def test_a_file_that_was_only_touched_is_read_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vae.data import file_digests

    path = write_npz(tmp_path / "faces.npz", {"train": IMAGES})
    for touched in (False, True, False):
        if touched:
            path.touch()
        prepare(named("faces.npz", tmp_path, tmp_path / "data"), tmp_path / "data")
        file_digests._known.clear()  # as a new process begins
    monkeypatch.setattr(file_digests, "_sha256", lambda path: pytest.fail("read again"))
    named("faces.npz", tmp_path, tmp_path / "data")


FUNCTION = """
import numpy as np

def load(data_dir, *, shift=0):
    images = np.arange(60 * 9, dtype=np.uint8).reshape(60, 3, 3)
    return {"train": images + np.uint8(shift)}
"""


def test_a_function_s_images_are_part_of_its_digest_as_its_code_is(tmp_path: Path) -> None:
    data_dir, file = tmp_path / "data", tmp_path / "data.py"
    file.write_text(FUNCTION)
    first = named("data.py:load", tmp_path, data_dir)
    prepare(first, data_dir)
    assert stored(first, data_dir)[0, 0].tolist() == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    shifted = named("data.py:load", tmp_path, data_dir, shift=1)
    file.write_text("# a comment\n" + FUNCTION)
    assert named("data.py:load", tmp_path, data_dir) == first
    file.write_text(FUNCTION.replace("60 * 9", "9 * 60"))
    rewritten = named("data.py:load", tmp_path, data_dir)
    assert len({c.digest for c in (first, shifted, rewritten)}) == 3


def test_a_function_that_reads_a_file_notices_that_it_changed(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", IMAGES)
    (tmp_path / "data.py").write_text(
        "import numpy as np\n"
        f"def load(data_dir):\n    return {{'train': np.load({str(tmp_path / 'images.npy')!r})}}\n"
    )
    before = named("data.py:load", tmp_path, tmp_path / "data")
    np.save(tmp_path / "images.npy", IMAGES[::-1])
    after = named("data.py:load", tmp_path, tmp_path / "data")
    assert before.digest != after.digest
    with pytest.raises(
        BadInput, match=r"data.py:load: does not return the images that it returned"
    ):
        prepare(before, tmp_path / "data")


def test_what_a_tag_names_is_not_read(tmp_path: Path) -> None:
    """With a digest, nothing happens; without one, there is no such configuration."""
    fields = {"val_size": 5, "nll_images": 3, "batch_size": 2}
    digests = {"dataset": "0123456789abcdef"}
    for value in ("../secret.npz", "../secret/", "evil.py:load"):
        component = Configuration(dataset=value, digests=digests, **fields).component("dataset")
        assert component.digest == digests["dataset"]
        assert describe(component) is None
    with pytest.raises(ValueError, match=r"unknown dataset"):
        Configuration(dataset="../secret.npz", **fields)
    assert describe(check_component("dataset", "cifar10")) is None, "nothing is downloaded either"


def test_sizes_are_those_of_the_data(tmp_path: Path) -> None:
    arrays = {"train": IMAGES, "val": IMAGES[:7], "test": IMAGES[:9]}
    write_npz(tmp_path / "faces.npz", arrays)
    component = named("faces.npz", tmp_path, tmp_path)

    def configuration(**fields: Any) -> Configuration:
        return Configuration(
            dataset=component.value, digests={"dataset": component.digest},
            **{"batch_size": 10, **fields},
        )  # fmt: skip

    assert (configuration().val_size, configuration().nll_images) == (7, 9)
    for fields, said in (
        ({"val_size": 8}, "has 7 validation images of its own; leave val_size out"),
        ({"batch_size": 61}, "batch_size 61 is larger than the training set: 60 images"),
        ({"nll_images": 10}, "nll_images 10 is larger than the test set: 9 images"),
    ):
        with pytest.raises(ValueError, match=said):
            configuration(**fields)


BAD_VALUES = {
    "mnst": r"unknown dataset 'mnst'; did you mean 'mnist'\?",
    "faces.npz": r"faces.npz: No such file",
    "faces/": r"faces: No such file",
    "../faces/old": r"old: No such file",
    "data.py": r"should also name what of it is the dataset",
    "data.py:load": r"no such file",
}


@pytest.mark.parametrize("value", BAD_VALUES)
def test_values_that_stand_for_nothing(value: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=BAD_VALUES[value]):
        named(value, tmp_path, tmp_path / "data")
    assert contents(tmp_path) == set()


BAD_FUNCTIONS = {
    "return 3": "data.py:load: returns int, and should return a mapping",
    "return {'tran': [1]}": "unknown array 'tran'; did you mean 'train'?",
    "return {'train': [[1, 2], [3]]}": "data.py:3: ValueError",
    "return {'train': open(data_dir / 'x')}": "data.py:4: FileNotFoundError",
    "return {'train': np.ones((50, 4))}": "data.py:load: train: has shape (50, 4)",
    "return {'train': np.full((50, 4, 4), np.nan)}": "data.py:load: train: holds NaN",
    "return {'train': np.full((50, 4, 4), None)}": "train: holds Python objects",
    "raise SystemExit(3)": "data.py:4: SystemExit: 3",
    "1 / 0": "data.py:4: ZeroDivisionError",
}


@pytest.mark.parametrize("body", BAD_FUNCTIONS)
def test_functions_that_return_no_data_set(body: str, tmp_path: Path) -> None:
    text = f"import numpy as np\n\ndef load(data_dir):\n    {body}\n"
    (tmp_path / "data.py").write_text(text)
    before = contents(tmp_path)
    with pytest.raises(BadInput) as caught:
        named("data.py:load", tmp_path, tmp_path / "data")
    assert BAD_FUNCTIONS[body] in str(caught.value)
    assert contents(tmp_path) == before
