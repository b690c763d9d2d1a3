"""`evaluate.py`: the logged numbers again, from the tracking store alone, and pictures."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import evaluate
from experiments.models.evaluate import (
    LoadedModel,
    Protocol,
    _verdict,
    evaluate_subject,
    load_subject,
    notes,
)
from experiments.models.load import SelectedRun, find_trial
from experiments.sweep.progress import counting
from experiments.tracking.retries import connect
from tests.commands.test_bad_input import complaint
from tests.conftest import TINY, Workspace
from tests.execution.test_worker import some_task
from tests.generated import noise, write_npz
from tests.tracked import TrackedRun, runs
from vae.configuration import Configuration
from vae.errors import BadInput


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two configurations × two seeds, of which all that is left is the tracking store."""
    workspace = Workspace(tmp_path_factory.mktemp("swept"))
    workspace.write(TINY)
    arguments = ["--engine", "serial", "--set", "encoder=mlp1"]
    assert workspace.run("sweep.py", "tiny.yaml", *arguments).returncode == 0
    shutil.rmtree(workspace.folder / "checkpoints")
    (workspace.folder / "tiny.yaml").unlink()
    return workspace


def tracked(workspace: Workspace, kind: str, loss: str) -> list[TrackedRun]:
    found = runs(workspace.folder / "mlflow.db", kind)
    return [run for run in found if run.params["loss"] == loss]


def final(run: TrackedRun, key: str) -> float:
    return run.metrics[key][0][1]


def shown(text: str) -> str:
    return " ".join(text.split())


def test_another_process_computes_the_logged_bits(swept: Workspace, tmp_path: Path) -> None:
    run = tracked(swept, "trial", "bce")[0]
    elsewhere = Workspace(tmp_path)
    done = elsewhere.run("evaluate.py", run.run_id, "--tracking-uri", swept.tracking_uri)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("equal to the last bit") == 6
    for name in ("bound_gap", "nll_gap", "probe_accuracy", "knn_accuracy"):
        assert re.search(rf"test/{name} +-?\d+\.\d+ +–", done.stdout), name
    assert f"{final(run, 'test/nll'):.4f}" in done.stdout
    assert "test/nll with 50 samples 500/500" in shown(done.stderr)
    assert list(tmp_path.iterdir()) == [], "nothing is written that was not asked for"


def test_more_samples_are_another_protocol_and_say_so(swept: Workspace) -> None:
    run = tracked(swept, "trial", "bce")[0]
    done = swept.run("evaluate.py", run.run_id, "--samples", "60")
    assert done.stdout.count("equal to the last bit") == 5
    assert "K 50 → 60" in shown(done.stdout)
    assert "standard error" in shown(done.stdout)


def test_a_configuration_means_its_best_seed_and_an_experiment_its_best_of_all(
    swept: Workspace,
) -> None:
    (configuration,) = tracked(swept, "configuration", "sse")
    best = max(tracked(swept, "trial", "sse"), key=lambda run: final(run, "return"))
    done = swept.run("evaluate.py", configuration.run_id)
    assert f"run {best.run_id}" in shown(done.stdout)
    assert "the best by return of 2 seeds" in shown(done.stdout)

    means = {
        loss: np.mean([final(run, "val/nll") for run in tracked(swept, "trial", loss)])
        for loss in ("sse", "bce")
    }
    loss = min(means, key=lambda name: means[name])
    best = min(tracked(swept, "trial", loss), key=lambda run: final(run, "val/nll"))
    done = swept.run("evaluate.py", "tiny")
    assert f"run {best.run_id}" in shown(done.stdout)
    assert "the best by val/nll of 2 seeds" in shown(done.stdout)
    assert f"best mean val/nll ({means[loss]:.2f})" in shown(done.stdout)


def test_pictures(swept: Workspace, tmp_path: Path) -> None:
    run = tracked(swept, "trial", "bce")[0]
    done = swept.run("evaluate.py", run.run_id, "--out", str(tmp_path / "pictures"))
    assert done.returncode == 0, done.stderr
    names = ["codes", "interpolations", "manifold", "reconstructions", "samples", "traversals"]
    paths = sorted((tmp_path / "pictures").iterdir())
    assert [path.name for path in paths] == [f"{name}.png" for name in names]
    for path in paths:
        with Image.open(path) as picture:
            assert picture.width > 600
            assert np.asarray(picture.convert("L")).std() > 5, "something is to be seen"
        assert str(path) in done.stderr


def subject_of(workspace: Workspace, **options: object):  # type: ignore[no-untyped-def]
    run = tracked(workspace, "trial", "bce")[0]
    chosen = find_trial(run.run_id, workspace.tracking_uri)
    defaults = {"data_dir": Path("data"), "dataset": None, "n_samples": None, "device": "cpu"}
    return load_subject(chosen, **(defaults | options))  # type: ignore[arg-type]


def test_another_data_set(
    swept: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    labels = np.arange(40) % 3
    write_npz(tmp_path / "toy.npz", {"train": noise(60, 28, 28), "test": noise(40, 28, 28),
                                     "test_labels": labels})  # fmt: skip
    write_npz(tmp_path / "colour.npz", {"train": noise(60, 3, 32, 32)})
    subject = subject_of(swept, dataset="toy.npz")
    assert subject.protocol == Protocol("toy.npz", 50, 40, "cpu")
    rows = evaluate_subject(subject)
    assert [row.name for row in rows][-1] == "test/bits_per_dim"
    assert {row.logged for row in rows} == {None}
    assert not {"test/nll_gap", "test/knn_accuracy"} & {row.name for row in rows}
    assert "no labels" in " ".join(notes(subject))
    own = evaluate_subject(subject_of(swept, data_dir=swept.folder / "data"))
    assert rows[0].value < own[0].value, "noise is not what it was trained on"
    with pytest.raises(BadInput, match="3 × 32 × 32, and the model takes 1 × 28 × 28"):
        subject_of(swept, dataset="colour.npz")


def test_numbers_of_another_version_come_with_a_note(swept: Workspace) -> None:
    subject = subject_of(swept)
    assert list(notes(subject)) == []
    older = subject.description.model_copy(update={"numbers_version": 0})
    old = replace(subject, archived=replace(subject.archived, description=older))
    assert "numbers version 0" in next(notes(old))


def with_tags(subject: LoadedModel, **tags: str) -> LoadedModel:
    """The subject as if its run said something else of what it was computed with."""
    run = replace(subject.chosen.run, tags={**subject.chosen.run.tags, **tags})
    return replace(subject, chosen=replace(subject.chosen, run=run))


@pytest.mark.parametrize(
    ("value", "device", "differing", "said"),
    [
        (100.0, "cpu", [], "equal to the last bit"),
        (100.0001, "cpu", ["torch"], "within rounding .*; other torch"),
        (100.1, "cpu", [], r"differs by \+0.1: MORE than rounding .*; nothing that is known"),
        (100.1, "cpu", ["commit", "processor"], "MORE than rounding .*; other commit, processor"),
        (100.1, "cuda:1 (H100)", ["device"], "other noise"),
        (100.1, "cuda (H100) → cpu", ["device"], "MORE than rounding"),
    ],
)
def test_verdicts(
    value: float, device: str, differing: list[str], said: str, swept: Workspace
) -> None:
    changes = dict.fromkeys(differing, "one → another")
    subject = with_tags(replace(subject_of(swept), differences=changes), device=device)
    assert re.search(said, _verdict(subject, value, 100.0))


def test_what_a_trial_was_computed_with_says_why_a_number_is_off(swept: Workspace) -> None:
    """Only where something is another: on the same machine, nothing is said."""
    assert subject_of(swept).differences == {}
    run = tracked(swept, "trial", "bce")[0]
    client = connect(swept.tracking_uri)
    before = run.tags["processor"]
    client.set_tag(run.run_id, "processor", "Abacus, BEADS")
    client.log_metric(run.run_id, "test/kl", final(run, "test/kl") + 0.25)
    done = swept.run("evaluate.py", run.run_id)
    client.set_tag(run.run_id, "processor", before)
    client.log_metric(run.run_id, "test/kl", final(run, "test/kl"))
    assert done.stdout.count("equal to the last bit") == 5
    assert f"not computed as its trial was: processor: Abacus, BEADS → {before}" in shown(
        done.stdout
    )
    assert "MORE than rounding" in shown(done.stdout)
    assert "; other processor" in shown(done.stdout)


def test_progress_tells_every_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with counting("counted", 25) as advance:
        for _ in range(25):
            advance(1)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[-1].startswith("counted  25/25")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], ["no run is called 'nothing', and nothing of experiment 'nothing' is"]),
        (["0" * 32], ["no run is called '0000"]),
        (["RUN", "--samples", "0"], ["--samples", "from 1"]),
        (["RUN", "--samples", "5001"], ["--samples", "at most 5000"]),
        (["RUN", "--dataset", "mnits"], ["--dataset", "did you mean 'mnist'?"]),
        (["RUN", "--out", "file/pictures"], ["--out", "cannot be written"]),
        (["RUN", "--device", "gpu"], ["--device", "cuda"]),
        (["RUN", "--tracking-uri", "ftp://x"], ["--tracking-uri", "ftp://x"]),
        (["FOREIGN"], ["not one of a sweep"]),
        (["UNFINISHED"], ["not finished"]),
        (["EMPTY"], ["no artifact checkpoint/weights.safetensors", "--archive"]),
        (["PICKLE"], ["not a safetensors file"]),
        (["missing.yaml"], ["missing.yaml", "no such file"]),
    ],
)
def test_bad_questions(  # type: ignore[no-untyped-def]
    arguments, said, swept: Workspace, tmp_path: Path, capsys, monkeypatch
) -> None:
    store = Workspace(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    stand_ins = {}
    if arguments[0] in ("RUN", "FOREIGN", "UNFINISHED", "EMPTY", "PICKLE"):
        stand_ins = prepare(store, swept, arguments[0])
    words = [stand_ins.get(word, word) for word in arguments]
    line = complaint(capsys, monkeypatch, tmp_path, evaluate, *words)
    for words in said:
        assert words in line


def prepare(store: Workspace, swept: Workspace, kind: str) -> dict[str, str]:
    """Runs of all kinds in a store of their own, in the places that a test's arguments name."""
    task = some_task(store)
    client = connect(store.tracking_uri)
    place = store.folder / "mlartifacts" / "tiny" / task.run_id / "artifacts" / "checkpoint"
    if kind in ("EMPTY", "PICKLE"):
        client.set_tag(task.run_id, "completed", "true")
        client.set_terminated(task.run_id, "FINISHED")
    place.parent.mkdir(parents=True)
    if kind == "PICKLE":
        whole = swept.folder / "mlartifacts" / "tiny" / tracked(swept, "trial", "bce")[0].run_id
        shutil.copytree(whole / "artifacts" / "checkpoint", place)
        (place / "weights.safetensors").write_bytes(b"\x80\x04\x95" + bytes(40))
    if kind == "FOREIGN":
        return {kind: client.create_run("0").info.run_id}
    return {kind: task.run_id}


def test_a_trial_s_protocol_is_its_configuration_s() -> None:
    configuration = Configuration(nll_samples=7, nll_images=11)
    assert Protocol.of_trial(configuration) == Protocol("mnist", 7, 11, "cpu")
    other = Protocol("mnist", 5000, 10_000, "cpu")
    told = other.differences(Protocol.of_trial(configuration))
    assert told == "K 7 → 5000, images 11 → 10000"
    assert SelectedRun.__dataclass_fields__["why"].default == ""
