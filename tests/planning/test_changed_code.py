"""The plan tells new code and new data from old."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.planning.changed_code import changed_code
from experiments.spec.experiment import Experiment, load_experiment
from experiments.tracking.run_record import RunRecord

NETS = """
from torch import nn

from vae.encoders import Encoder


class Wide(Encoder):
    def __init__(self, shape, hidden_dim, latent_dim):
        super().__init__(nn.Flatten(), shape[0] * shape[1] * shape[2], latent_dim)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "nets.py").write_text(NETS)
    (tmp_path / "q.yaml").write_text(
        'name: q\ndataset: mnist5k\ngrid: {encoder: [mlp1, conv, "nets.py:Wide"]}\nseeds: 2\n'
    )
    return tmp_path


def question(folder: Path, *assignments: str) -> Experiment:
    return load_experiment(folder / "q.yaml", assignments)


def tracked(experiment: Experiment) -> Iterator[RunRecord]:
    for trial in experiment.trials():
        yield RunRecord("", "FINISHED", {"trial": trial.model_dump_json()}, {}, True, 0)


def edit(folder: Path) -> None:
    (folder / "nets.py").write_text(NETS.replace("super()", "x = 1\n        super()"))


def test_nothing_is_said_where_nothing_changed(folder: Path) -> None:
    experiment = question(folder)
    assert not list(changed_code(experiment, []))
    assert not list(changed_code(experiment, tracked(experiment)))


def test_what_is_new_and_what_stays(folder: Path) -> None:
    before = list(tracked(question(folder, "encoder=mlp1,nets.py:Wide")))
    edit(folder)
    after = question(folder)
    digest = next(c.digest for c in after.components if c.is_code)
    assert list(changed_code(after, before)) == [
        (
            "encoder",
            f"mlp1 unchanged; nets.py:Wide is new code ({digest[:4]}…), 2 trials of older code "
            f"stay",
        )
    ]
    assert not list(changed_code(after, [*before, *tracked(after)])), "it is new no more"


def test_one_trial_stays(folder: Path) -> None:
    before = list(tracked(question(folder, "encoder=nets.py:Wide")))[:1]
    edit(folder)
    ((_, text),) = changed_code(question(folder), before)
    assert text.endswith("1 trial of older code stays")
