"""Options count for the components that take them, and for no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.spec.experiment import Experiment, load_experiment
from vae.errors import BadInput

NETS = """
import math

from torch import nn

from vae.encoders import Encoder


class Wide(Encoder):
    def __init__(self, shape, hidden_dim, latent_dim, *, width: int = 20, name: str = "a"):
        super().__init__(
            nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), width)), width, latent_dim
        )


class Deep(Wide):
    pass
"""
HEAD = "name: q\ndataset: mnist5k\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "nets.py").write_text(NETS)
    return tmp_path


def question(folder: Path, text: str, *assignments: str) -> Experiment:
    path = folder / "q.yaml"
    path.write_text(HEAD + text)
    return load_experiment(path, assignments)


def labels(experiment: Experiment) -> list[str]:
    return [experiment.label(configuration) for configuration in experiment.configurations]


GRID = 'grid: {encoder: [mlp3, "nets.py:Wide"], encoder.width: [400, 800]}\n'


def test_a_grid_does_not_multiply_those_that_do_not_take_it(folder: Path) -> None:
    assert labels(question(folder, GRID)) == [
        "mlp3 sse none",
        "nets.py:Wide sse none encoder.width=400",
        "nets.py:Wide sse none encoder.width=800",
    ]


def test_exclude_and_zip_know_options(folder: Path) -> None:
    without = question(folder, GRID + "exclude: [{encoder.width: 400.0}]\n")
    assert labels(without) == ["mlp3 sse none", "nets.py:Wide sse none encoder.width=800"]
    zipped = question(
        folder,
        'fixed: {encoder: "nets.py:Wide"}\nzip: [{encoder.width: [1, 2], encoder.name: [b, c]}]\n',
    )
    assert labels(zipped) == [
        "nets.py:Wide sse none encoder.width=1 encoder.name=b",
        "nets.py:Wide sse none encoder.width=2 encoder.name=c",
    ]


def test_a_default_written_out_is_the_same_configuration(folder: Path) -> None:
    plain = question(folder, 'fixed: {encoder: "nets.py:Wide"}\n')
    written = question(folder, 'fixed: {encoder: "./nets.py:Wide", encoder.width: 20}\n')
    assert plain.configurations == written.configurations


def test_what_set_replaces_takes_its_options_along(folder: Path) -> None:
    assert labels(question(folder, GRID, "encoder=mlp1")) == ["mlp1 sse none"]
    assert labels(question(folder, GRID, "encoder=nets.py:Wide")) == [
        "nets.py:Wide sse none encoder.width=400", "nets.py:Wide sse none encoder.width=800",
    ]  # fmt: skip
    with pytest.raises(BadInput, match=r"fixed\.encoder\.width"):
        question(folder, GRID, "encoder=mlp1", "encoder.width=3")


def test_one_option_of_two_components_is_one_axis(folder: Path) -> None:
    both = question(
        folder, 'grid: {encoder: ["nets.py:Wide", "nets.py:Deep"], encoder.width: [1, 2]}\n'
    )
    assert len(both.configurations) == 4


STUDY = """
study:
  trials: 5
  space:
    encoder.width: {low: 100, high: 800}
    encoder: [mlp1, "nets.py:Wide"]
    lr: {low: 1e-4, high: 1e-2, log: true}
"""


def test_a_study_asks_for_an_option_where_it_is_taken(folder: Path) -> None:
    plan = question(folder, STUDY).study
    assert plan is not None
    assert list(plan.space) == ["encoder", "lr", "encoder.width"]
    assert plan.asks_for("encoder.width", {"encoder": "nets.py:Wide"})
    assert not plan.asks_for("encoder.width", {"encoder": "mlp1"})
    proposed = plan.configuration({"encoder": "nets.py:Wide", "encoder.width": 150, "lr": 1e-3})
    assert proposed.flat["encoder.width"] == 150
    assert "encoder.width" not in plan.configuration({"encoder": "mlp1", "lr": 1e-3}).flat


def test_a_study_of_other_code_is_another_study(folder: Path) -> None:
    before = question(folder, STUDY).study_name
    assert question(folder, STUDY).study_name == before
    (folder / "nets.py").write_text(NETS.replace("nn.Flatten()", "nn.Flatten(1)"))
    assert question(folder, STUDY).study_name != before


def test_an_experiment_is_of_one_state_of_its_files(folder: Path) -> None:
    """What was read once is not read again while the grid is made."""
    plan = question(folder, STUDY).study
    assert plan is not None
    fields = {"encoder": "nets.py:Wide", "encoder.width": 150, "lr": 1e-3}
    before = plan.configuration(fields)
    (folder / "nets.py").write_text("")
    assert plan.configuration(fields) == before
