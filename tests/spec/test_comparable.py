"""Races and studies hold only what measures the same against each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.spec.experiment import Experiment, load_experiment
from tests.generated import noise, write_images, write_npz
from vae.errors import BadInput


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write_npz(tmp_path / "colour.npz", {"train": noise(60, 3, 6, 6), "test": noise(12, 3, 6, 6)})
    write_images(tmp_path / "faces", noise(60, 8, 8, 3))
    (tmp_path / "t.py").write_text(
        "import torch\nfrom vae.transforms import GrayValues\n\n"
        "def narrow(images, stream):\n"
        "    return GrayValues(torch.from_numpy(images[..., ::2].copy()))\n\n"
        "def dark(images, stream):\n    return GrayValues(torch.from_numpy(images // 2))\n"
    )
    return tmp_path


def experiment(folder: Path, text: str) -> Experiment:
    path = folder / "x.yaml"
    path.write_text(f"name: x\nfixed: {{batch_size: 5}}\n{text}")
    return load_experiment(path)


COLOUR_RACE = "dataset: colour.npz\nracing: true\ngrid: {{transform: [{}]}}\n"
STUDY = (
    "dataset: {}\nstudy: {{trials: 3, metric: nll, space: {{{}, lr: {{low: 1e-4, high: 1e-2}}}}}}\n"
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (COLOUR_RACE.format("none, grayscale"),
         "racing: transform 'none' makes discretised 3 × 6 × 6 of 'colour.npz', and 'grayscale' "
         "discretised 1 × 6 × 6"),
        (COLOUR_RACE.format("none, 't.py:narrow'"),
         "'t.py:narrow' discretised 3 × 6 × 3 of t.py"),
        ("racing: true\ngrid: {dataset: [mnist5k, patches]}\n",
         "racing: configurations of different data sets"),
        ("dataset: faces\nracing: true\ngrid: {dataset.size: [4, 8]}\n",
         "racing: configurations with different options of the data set"),
        (STUDY.format("colour.npz", "transform: [none, grayscale]"),
         "study.space: transform 'none' makes discretised 3 × 6 × 6"),
        (STUDY.format("faces", "dataset.size: [4, 8]"),
         "study.space: configurations with different options"),
        ("dataset: mnist5k\ngrid: {dataset.yardstick: [bernoulli, discretised]}\n",
         "dataset.yardstick: belongs to the yardstick, which is one for all trials"),
        ("dataset: mnist5k\ngrid: {dataset.yardstick: [gaussian]}\n",
         "dataset.yardstick: unknown yardstick 'gaussian'; (bernoulli, discretised)"),
    ],
)  # fmt: skip
def test_what_measures_something_else_is_refused(text: str, said: str, folder: Path) -> None:
    with pytest.raises(BadInput) as caught:
        experiment(folder, text)
    assert said in str(caught.value)


def test_what_scores_the_same_pixels_may_race(folder: Path) -> None:
    raced = experiment(folder, COLOUR_RACE.format("none, binarize, 't.py:dark'"))
    assert raced.metric == "val/nll"
    gray = experiment(
        folder, "dataset: mnist5k\nracing: true\ngrid: {transform: [none, grayscale]}\n"
    )
    assert len(gray.configurations) == 2


def test_a_grid_may_have_both_side_by_side(folder: Path) -> None:
    found = experiment(folder, "dataset: colour.npz\ngrid: {transform: [none, grayscale]}\n")
    assert len(found.configurations) == 2


def test_what_a_person_should_know_of_the_data_is_said(folder: Path) -> None:
    assert experiment(folder, "dataset: mnist5k\ngrid: {lr: [1e-3]}\n").notes == []
    (note,) = experiment(folder, "dataset: faces\ngrid: {lr: [1e-3]}\n").notes
    assert note.endswith("faces has no test set: the last 10 of its 60 training images are one")
