"""Shards: disjoint, together everything, and moved by no edit of the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.spec.experiment import Experiment, load_experiment
from experiments.spec.shard import Shard, take_part
from vae.errors import BadInput

GRID = "name: x\ndataset: mnist5k\ngrid: {lr: [1e-2, 1e-3, 1e-4], latent_dim: [2, 3, 5]}\n"


def experiment(folder: Path, text: str = GRID) -> Experiment:
    path = folder / "x.yaml"
    path.write_text(text)
    return load_experiment(path)


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_the_parts_are_disjoint_and_together_everything(tmp_path: Path, count: int) -> None:
    whole = experiment(tmp_path)
    parts = [take_part(whole, Shard(i, count)).configurations for i in range(1, count + 1)]
    ids = [configuration.id for part in parts for configuration in part]
    assert sorted(ids) == sorted(configuration.id for configuration in whole.configurations)


def test_an_edit_of_the_file_moves_nothing(tmp_path: Path) -> None:
    before = take_part(experiment(tmp_path), Shard(1, 2)).configurations
    more = experiment(tmp_path, GRID.replace("[1e-2,", "[1e-1, 1e-2,"))
    assert set(before) <= set(take_part(more, Shard(1, 2)).configurations)


def test_which_shards_are_disjoint() -> None:
    assert Shard(1, 2).is_disjoint_from(Shard(2, 2))
    assert not Shard(1, 2).is_disjoint_from(Shard(1, 2))
    assert not Shard(1, 2).is_disjoint_from(Shard(2, 3))


@pytest.mark.parametrize(
    "text", [GRID + "racing: true\nseeds: 4\n",
             "name: x\ndataset: mnist5k\nstudy: {trials: 2, space: {lr: [1e-3, 1e-2]}}\n"],
)  # fmt: skip
def test_what_has_to_know_of_everybody_is_not_split(tmp_path: Path, text: str) -> None:
    with pytest.raises(BadInput, match="--workers"):
        take_part(experiment(tmp_path, text), Shard(1, 2))
