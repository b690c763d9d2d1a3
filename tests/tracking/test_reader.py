"""One MLflow experiment as whoever looks at it reads it."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest

from experiments.tracking.reader import Reader, experiment_names
from experiments.tracking.retries import connect
from experiments.tracking.trial_writer import TrialWriter
from experiments.tracking.writer import ExperimentWriter
from tests.written import CODE, empty_database
from vae.configuration import Configuration, Trial
from vae.errors import BadInput

ONE = Configuration()


@pytest.fixture
def uri(tmp_path: Path) -> str:
    (tmp_path / "mlflow.db").write_bytes(empty_database())
    return f"sqlite:///{tmp_path / 'mlflow.db'}"


@pytest.fixture
def writer(uri: str) -> ExperimentWriter:
    return ExperimentWriter.create(uri, "x")


@pytest.fixture
def run_id(writer: ExperimentWriter) -> str:
    parent = writer.create_configuration_run(ONE, "label", [0])
    return writer.create_trial_run(Trial(configuration=ONE, seed=0), "label s0", parent, CODE)


def reader(uri: str) -> Reader:
    found = Reader.find(uri, "x")
    assert found is not None
    return found


def test_looking_for_what_is_not_there_makes_nothing(tmp_path: Path, uri: str) -> None:
    elsewhere = f"sqlite:///{tmp_path / 'other.db'}"
    assert Reader.find(elsewhere, "x") is None
    assert Reader.of_run(elsewhere, "0" * 32) is None
    assert experiment_names(elsewhere) == []
    assert not (tmp_path / "other.db").exists()
    assert Reader.find(uri, "x") is None and Reader.of_run(uri, "0" * 32) is None


def test_an_experiment_that_was_deleted_says_how_to_get_it_back(
    uri: str, writer: ExperimentWriter
) -> None:
    connect(uri).delete_experiment(writer.experiment_id)
    with pytest.raises(BadInput, match="mlflow experiments restore -x"):
        Reader.find(uri, "x")


def test_runs_are_read_by_kind_and_deleted_ones_apart(
    uri: str, writer: ExperimentWriter, run_id: str
) -> None:
    assert [r.run_id for r in reader(uri).records("trial")] == [run_id]
    assert len(reader(uri).records("configuration")) == 1
    assert reader(uri).has_trials() and reader(uri).any_trial_running()
    writer.delete(run_id)
    assert reader(uri).records("trial") == [] and not reader(uri).has_trials()
    assert [r.run_id for r in reader(uri).records("trial", deleted=True)] == [run_id]
    assert gc.isenabled()


def test_a_curve_is_in_order_of_its_steps_each_with_its_newest_value(uri: str, run_id: str) -> None:
    client = connect(uri)
    for step, value, time in ((3, 30.0, 5), (1, 10.0, 6), (3, 31.0, 9), (2, 21.0, 8), (2, 20.0, 7)):
        client.log_metric(run_id, "m", value, timestamp=time, step=step)
    assert reader(uri).curve(run_id, "m") == [(1, 10.0), (2, 21.0), (3, 31.0)]
    assert reader(uri).curve(run_id, "none") == []


def test_the_last_image_is_that_of_the_highest_step(uri: str, run_id: str, tmp_path: Path) -> None:
    """Steps are numbers: 10 comes after 9. One that a kill cut short is none."""
    log = TrialWriter(uri, run_id)
    for step in (9, 10, 2):
        log.log_image("samples", np.full((4, 4), step, np.uint8), step)
    found = reader(uri).last_image(run_id, "samples")
    assert found is not None and (found == 10).all()
    assert reader(uri).last_image(run_id, "other") is None
    assert reader(uri).has_image(run_id, "samples", 9)
    assert not reader(uri).has_image(run_id, "samples", 1)
    for picture in (tmp_path / "mlartifacts").rglob("*.png"):
        picture.write_bytes(picture.read_bytes()[:20])
    assert reader(uri).last_image(run_id, "samples") is None


def test_nats_of_each_dimension_come_back_and_a_run_without_has_none(uri: str, run_id: str) -> None:
    assert reader(uri).kl_per_dimension(run_id) == []
    TrialWriter(uri, run_id).log_kl_per_dimension([0.5, 0.0, 2.0])
    assert reader(uri).kl_per_dimension(run_id) == [0.5, 0.0, 2.0]


def test_a_link_shows_no_password(uri: str, run_id: str) -> None:
    found = reader(uri)
    assert found.link(run_id).startswith("http://127.0.0.1:5000/#/experiments/")
    server = Reader("https://me:secret@tracking.org/", "7", found._mlflow)
    assert server.link(run_id) == f"https://tracking.org/#/experiments/7/runs/{run_id}"
