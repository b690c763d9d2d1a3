"""A worker's side of a run: everything may be said twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from experiments.tracking.run_record import State
from experiments.tracking.trial_writer import TrialWriter
from experiments.tracking.writer import ExperimentWriter
from tests.tracked import TrackedRun, runs
from tests.written import CODE, empty_database
from vae.configuration import Configuration, Trial

TRIAL = Trial(configuration=Configuration(), seed=0)
FILES = {"weights.safetensors": b"w", "configuration.json": b"{}"}


@pytest.fixture
def again(tmp_path: Path) -> Callable[[], TrialWriter]:
    """The writer of one run, as each attempt at its trial makes it anew."""
    (tmp_path / "mlflow.db").write_bytes(empty_database())
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    writer = ExperimentWriter.create(uri, "x")
    parent = writer.create_configuration_run(TRIAL.configuration, "label", [0])
    run_id = writer.create_trial_run(TRIAL, "label s0", parent, CODE)
    return lambda: TrialWriter(uri, run_id)


def tracked(folder: Path) -> TrackedRun:
    (run,) = runs(folder / "mlflow.db", "trial")
    return run


def test_who_goes_on_after_a_kill_repeats_the_last_words_without_doubling_them(
    again: Callable[[], TrialWriter], tmp_path: Path
) -> None:
    for last in (2, 3):
        log = again()
        log.read_back()
        for epoch in range(1, last + 1):
            log.log_epoch(epoch, {"val/return": -epoch, "train/loss": 1.0})
            log.log_image("samples", np.zeros((4, 4), np.uint8), epoch)
    assert tracked(tmp_path).metrics["val/return"] == [(1, -1), (2, -2), (3, -3)]
    images = list((tmp_path / "mlartifacts").rglob("*.png"))
    assert len(images) == 3


def test_only_the_last_word_means_done(again: Callable[[], TrialWriter], tmp_path: Path) -> None:
    log = again()
    log.log_epoch(1, {"val/return": -1.0})
    assert again().read_back() is None
    log.finish({"return": -1.0, "test/nll": 3.0})
    done = again().read_back()
    assert done is not None and (done["return"], done["test/nll"]) == (-1.0, 3.0)
    again().finish({"return": -1.0, "test/nll": 3.0})
    assert tracked(tmp_path).tags["completed"] == "true"


def test_a_kill_between_the_finals_and_the_last_word_doubles_no_final(
    again: Callable[[], TrialWriter], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = again()
    monkeypatch.setattr(killed._mlflow, "set_tag", lambda *_: (_ for _ in ()).throw(SystemExit))
    with pytest.raises(SystemExit):
        killed.finish({"return": -1.0})
    log = again()
    assert log.read_back() is None
    log.finish({"return": -1.0})
    assert tracked(tmp_path).metrics["return"] == [(0, -1.0)]


def test_what_failed_keeps_its_reason_without_passwords_and_no_weights(
    again: Callable[[], TrialWriter], tmp_path: Path
) -> None:
    log = again()
    log.archive(FILES)
    log.fail("lost postgresql://me:secret@host/db", "Traceback postgresql://me:secret@host/db")
    run = tracked(tmp_path)
    assert run.status == "FAILED" and "secret" not in run.tags["error"]
    files = {path.name: path for path in (tmp_path / "mlartifacts").rglob("*") if path.is_file()}
    assert "weights.safetensors" not in files and "configuration.json" in files
    assert "secret" not in files["error.txt"].read_text()


def test_a_reason_of_any_length_fits_a_tag(
    again: Callable[[], TrialWriter], tmp_path: Path
) -> None:
    again().fail("x" * 20_000, "")
    assert len(tracked(tmp_path).tags["error"]) == 1000
    assert State.FAILED.name == tracked(tmp_path).status
