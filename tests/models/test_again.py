"""`sweep.py --again`: a trial trained once more, and every number held against its record."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sweep
from experiments.execution import worker
from experiments.models import again as module
from experiments.models.again import CLOCK
from experiments.planning.checkpoint_files import checkpoint_file
from experiments.tracking.retries import connect
from experiments.tracking.uris import checkpoint_folder
from tests.commands.test_bad_input import complaint
from tests.commands.test_own_code import NETS, PARTS
from tests.complaints import contents
from tests.conftest import Workspace
from tests.execution.test_worker import SMALL, some_task
from tests.generated import noise, write_npz
from tests.tracked import TrackedRun, runs
from vae.components import user_code
from vae.errors import Diverged

QUESTION = """
name: tiny
dataset: mnist5k
grid: {encoder: [mlp1]}
fixed: {hidden_dim: 16, latent_dim: 2, batch_size: 500, epochs: 4, nll_images: 50}
pictures: {every: 0}
"""
"""The trial of `some_task`."""


@pytest.fixture(autouse=True)
def _nothing_is_known_of_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_code, "_known", {})


def trial_of(workspace: Workspace) -> TrackedRun:
    (run,) = runs(workspace.folder / "mlflow.db", "trial")
    return run


def shown(text: str) -> str:
    return " ".join(text.split())


def swept(workspace: Workspace, question: str, *arguments: str) -> TrackedRun:
    workspace.write(question)
    done = workspace.run("sweep.py", "tiny.yaml", "--engine", "serial", *arguments)
    assert done.returncode == 0, done.stderr
    return trial_of(workspace)


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """One finished trial, with the dear diagnostics."""
    workspace = Workspace(tmp_path_factory.mktemp("tracked"))
    swept(workspace, f"{QUESTION}diagnostics: true\n")
    return workspace


def n_numbers(run: TrackedRun) -> int:
    """That a run logged, with its KL of two latent dimensions."""
    return sum(len(values) for name, values in run.metrics.items() if name not in CLOCK) + 2


def test_on_the_same_machine_all_numbers_are_the_same_and_nothing_is_written(
    tracked: Workspace,
) -> None:
    run = trial_of(tracked)
    before, database = contents(tracked.folder), (tracked.folder / "mlflow.db").read_bytes()
    done = tracked.run("sweep.py", "--again", run.run_id)
    assert done.returncode == 0
    assert f"All {n_numbers(run)} numbers came out the same, to the last bit." in done.stdout
    assert "same  val/return, epochs 1 to 4" in done.stdout
    assert "same  test/knn_accuracy" in done.stdout
    assert "Nothing that is known differs" in done.stdout
    assert "epochs  4/4" in done.stderr
    assert contents(tracked.folder) == before
    assert (tracked.folder / "mlflow.db").read_bytes() == database


def test_a_run_that_was_resumed_comes_out_the_same(workspace: Workspace) -> None:
    """By another process than began it, from its checkpoint."""
    folder = checkpoint_folder("tiny", workspace.tracking_uri, None)
    task = some_task(workspace)
    task = replace(task, until=2, checkpoint=checkpoint_file(folder, task.run_id))
    assert worker.advance(task, print).state == "advanced"
    begun = workspace.run("sweep.py", "--again", task.run_id)
    assert begun.returncode == 0, "what it has logged so far is compared"
    assert "same  val/return, epochs 1 to 2" in begun.stdout
    run = swept(workspace, QUESTION)
    assert run.run_id == task.run_id
    done = workspace.run("sweep.py", "--again", run.run_id)
    assert done.returncode == 0
    assert f"All {n_numbers(run)} numbers" in done.stdout


@pytest.fixture
def altered(tracked: Workspace, tmp_path: Path) -> Workspace:
    """A copy, to be changed."""
    shutil.copytree(tracked.folder, tmp_path / "copy")
    return Workspace(tmp_path / "copy")


def test_a_number_that_is_off_is_told_with_what_differs(altered: Workspace) -> None:
    run = trial_of(altered)
    client = connect(altered.tracking_uri)
    value = dict(run.metrics["val/return"])[3]
    client.log_metric(run.run_id, "val/return", np.nextafter(value, 0), step=3)
    tags = {"device": "cuda:3 (NVIDIA H100)", "processor": "Abacus [red]BEADS[/red]",
            "threads": "64", "numbers_version": "1", "mlflow.source.git.commit": "c0ffee" * 7,
            "git.dirty": "false"}  # fmt: skip
    for key, tag in tags.items():
        client.set_tag(run.run_id, key, tag)
    done = altered.run("sweep.py", "--again", run.run_id)
    assert done.returncode == 1
    told = shown(done.stdout)
    assert re.search(r"OFF val/return, epoch 3 by [-+]\d\.?\d*e-14 ", told), told
    assert f"→ {value!r})" in told
    assert "same val/return, epochs 1 to 2 OFF" in told
    assert f"1 of {n_numbers(run)} numbers did not come out the same" in told
    for change in (
        "numbers version: 1 → 2",
        "commit: c0ffeec0ffee → ",
        "device: cuda (NVIDIA H100) → cpu",
        "processor: Abacus [red]BEADS[/red] → ",
        "threads: 64 → 1",
    ):
        assert f"• {change}" in told


def test_a_run_of_before_these_tags_says_nothing_of_them(altered: Workspace) -> None:
    run = trial_of(altered)
    for key in ("device", "processor", "threads", "host", "versions", "numbers_version"):
        connect(altered.tracking_uri).delete_tag(run.run_id, key)
    done = altered.run("sweep.py", "--again", run.run_id)
    assert done.returncode == 0
    assert "Nothing that is known differs" in done.stdout


def test_a_training_that_ends_early_has_no_number_for_the_rest(
    altered: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = module.fit

    def diverging(*given: object) -> Iterator[object]:
        yield next(whole(*given))  # type: ignore[arg-type]
        raise Diverged("the loss of epoch 2 is not finite")

    monkeypatch.setattr(module, "fit", diverging)
    done = altered.run("sweep.py", "--again", trial_of(altered).run_id)
    assert done.returncode == 1
    assert "same  val/return, epoch 1\n" in done.stdout
    assert "OFF   val/return, epoch 4: there is none now" in done.stdout
    assert "• The training ended early: diverged: the loss of epoch 2" in shown(done.stdout)


@pytest.mark.parametrize("width", [30, 60, 80])
def test_no_line_is_longer_than_the_terminal(
    width: int, altered: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trial_of(altered)
    connect(altered.tracking_uri).log_metric(run.run_id, "test/reconstruction", 99.25)
    monkeypatch.setenv("COLUMNS", str(width))
    lines = altered.run("sweep.py", "--again", run.run_id).stdout.splitlines()
    assert max(len(line) for line in lines if run.run_id not in line) <= width
    assert "test/reconstruction" in " ".join(lines), "names stay whole"


def with_own_code(workspace: Workspace, *arguments: str) -> TrackedRun:
    for name, text in (("nets.py", NETS), ("parts.py", PARTS)):
        workspace.write(text, name)
    question = QUESTION.replace("encoder: [mlp1]", 'encoder: ["nets.py:Wide"]')
    return swept(workspace, question.replace("epochs: 4", "epochs: 1"), *arguments)


def edit_own_code(workspace: Workspace) -> None:
    workspace.write(NETS.replace("width: int = 20", "width: int = 21"), "nets.py")
    user_code._known.clear()


def test_own_code_is_found_here_or_in_the_archive_if_that_is_trusted(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    run = with_own_code(workspace)
    user_code._known.clear()
    again = ("--again", run.run_id, "--tracking-uri", workspace.tracking_uri)
    done = workspace.run("sweep.py", *again)
    assert (done.returncode, "changed" in done.stdout) == (0, False)

    edit_own_code(workspace)
    monkeypatch.chdir(workspace.folder)
    capsys.readouterr()
    line = complaint(capsys, monkeypatch, workspace.folder, sweep, *again)
    assert run.run_id in line
    assert "encoder 'nets.py:Wide' is somebody's own code" in line
    assert "--trust-code" in line
    done = workspace.run("sweep.py", *again, "--trust-code")
    assert done.returncode == 0
    changed = "encoder: nets.py:Wide was changed since; the archived copy is used"
    assert changed in shown(done.stdout)

    (tmp_path / "elsewhere").mkdir()
    done = Workspace(tmp_path / "elsewhere").run("sweep.py", *again, "--trust-code")
    assert (done.returncode, "changed" in done.stdout) == (0, False)


def test_own_code_is_found_where_no_weights_were_kept(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = with_own_code(workspace, "--archive", "none")
    user_code._known.clear()
    assert workspace.run("sweep.py", "--again", run.run_id).returncode == 0
    edit_own_code(workspace)
    monkeypatch.chdir(workspace.folder)
    again = ("--again", run.run_id, "--trust-code")
    capsys.readouterr()
    line = complaint(capsys, monkeypatch, workspace.folder, sweep, *again)
    assert "encoder 'nets.py:Wide' is not here as it was, nor archived" in line


def test_data_that_were_changed_are_named(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = {"train": noise(60, 3, 8, 8), "test": noise(12, 3, 8, 8)}
    write_npz(workspace.folder / "faces.npz", arrays)
    question = QUESTION.replace("mnist5k", "faces.npz").replace("nll_images: 50", "nll_images: 5")
    run = swept(workspace, question.replace("batch_size: 500", "batch_size: 10"))
    done = workspace.run("sweep.py", "--again", run.run_id)
    assert (done.returncode, "changed" in done.stdout) == (0, False)
    write_npz(workspace.folder / "faces.npz", arrays | {"train": noise(60, 3, 8, 8, seed=1)})
    done = workspace.run("sweep.py", "--again", run.run_id)
    assert done.returncode == 0, "its images are still in the cache"
    assert "data: faces.npz was changed since; its images in the cache are used" in shown(
        done.stdout
    )
    shutil.rmtree(workspace.folder / "data")
    monkeypatch.chdir(workspace.folder)
    capsys.readouterr()
    line = complaint(capsys, monkeypatch, workspace.folder, sweep, "--again", run.run_id)
    assert "faces.npz: is not the data that are asked for: its digest is" in line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--again", "nope"], ["no run 'nope'"]),
        (["--again", "CONFIGURATION"], ["is a configuration run; name one of its trials"]),
        (["--again", "FOREIGN"], ["not one of a sweep"]),
        (["--again", "EMPTY"], ["has logged no epoch"]),
        (
            ["tiny", "--again", "RUN"],
            ["EXPERIMENT: --again does not take it (only --tracking-uri,"],
        ),
        (["--again", "RUN", "--seeds", "3"], ["--seeds: --again does not take it"]),
        (["--again", "RUN", "--dry-run"], ["--dry-run: --again"]),
        (["--again", "RUN", "--engine", "serial"], ["--engine: --again"]),
        (["--again", "RUN", "--workers", "2"], ["--workers: --again"]),
        (["--again", "RUN", "--time-budget", "1h"], ["--time-budget: --again"]),
        (["--again", "RUN", "--device", "cuda:7"], ["--device cuda:7"]),
        (["tiny.yaml", "--trust-code"], ["--trust-code: only --again takes it"]),
        ([], ["required: experiment"]),
    ],
)
def test_bad_questions(
    arguments: list[str], said: list[str], altered: Workspace,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(altered.folder)
    database = altered.folder / "mlflow.db"
    client = connect(altered.tracking_uri)
    stand_ins = {
        "RUN": trial_of(altered).run_id,
        "CONFIGURATION": runs(database, "configuration")[0].run_id,
        "FOREIGN": client.create_run("0").info.run_id,
        "EMPTY": some_task(altered, SMALL).run_id if "EMPTY" in arguments else "",
    }
    capsys.readouterr()
    words = [stand_ins.get(word, word) for word in arguments]
    line = complaint(capsys, monkeypatch, altered.folder, sweep, *words)
    for part in said:
        assert part in line
