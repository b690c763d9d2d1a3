"""Sweeps on one's own images: every kind of data set, from the file to the report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import sweep
from tests.complaints import complaint
from tests.conftest import Workspace
from tests.generated import noise, write_cifar10, write_images, write_npz
from tests.tracked import TrackedRun, runs
from tests.vae.data.test_datasets import FUNCTION
from tests.vae.data.test_image_folders import bad_folder
from tests.vae.data.test_npz_files import damaged

EXPERIMENT = """
name: own
dataset: {dataset}
grid: {{loss: [sse], transform: [none]}}
fixed: {{encoder: mlp1, epochs: 1, hidden_dim: 8, latent_dim: 2, batch_size: 10, nll_samples: 2}}
pictures: {{every: 1, samples: 4}}
"""


def trials(workspace: Workspace) -> list[TrackedRun]:
    return runs(workspace.folder / "mlflow.db", "trial")


def own(workspace: Workspace, dataset: str) -> Workspace:
    workspace.write(EXPERIMENT.format(dataset=dataset), "own.yaml")
    return workspace


def write_data(folder: Path) -> None:
    write_npz(folder / "faces.npz", {"train": noise(60, 3, 8, 8), "test": noise(12, 3, 8, 8)})
    write_images(folder / "photos" / "cat", noise(30, 8, 8, 3))
    write_images(folder / "photos" / "dog", noise(30, 8, 8, 3, seed=1))
    (folder / "data.py").write_text(FUNCTION)
    write_cifar10(folder / "data")


@pytest.mark.parametrize(
    ("dataset", "yardstick"),
    [
        ("faces.npz", "discretised 3 × 8 × 8"),
        ("photos", "discretised 3 × 8 × 8"),
        ("data.py:load", "discretised 1 × 3 × 3"),
        ("cifar10", "discretised 3 × 32 × 32"),
    ],
)
def test_every_kind_is_trained_on_and_done_the_second_time(
    dataset: str, yardstick: str, workspace: Workspace
) -> None:
    write_data(workspace.folder)
    own(workspace, dataset)
    done = workspace.run("sweep.py", "own.yaml", "--engine", "serial")
    assert done.returncode == 0, done.stderr
    (trial,) = trials(workspace)
    assert trial.tags["yardstick"] == yardstick
    assert ("data_digest" in trial.tags) == (dataset != "cifar10")
    last = {name: values[-1][1] for name, values in trial.metrics.items()}
    assert {"val/nll", "test/nll", "test/bits_per_dim", "return"} <= last.keys()
    assert last["val/nll"] != last["test/nll"]
    n_dims = np.prod([int(n) for n in yardstick.split()[1::2]])
    assert last["test/bits_per_dim"] == pytest.approx(last["test/nll"] / n_dims / np.log(2))
    if dataset == "photos":
        assert "photos has no test set: the last 10 of its 60 training images" in done.stderr
    again = workspace.run("sweep.py", "own.yaml", "--engine", "serial")
    assert again.stderr.startswith("0 trials finished") or "\n0 trials finished" in again.stderr
    assert len(trials(workspace)) == 1


def test_workers_in_processes_map_one_copy_and_never_call_a_function(workspace: Workspace) -> None:
    (workspace.folder / "data.py").write_text(
        FUNCTION
        + '\nfrom pathlib import Path\nwith open("calls", "a") as file:\n    file.write("x")\n'
    )
    own(workspace, "data.py:load")
    arguments = ["own.yaml", "--set", "lr=1e-3,1e-2", "--seeds", "0-1", "--workers", "2"]
    done = workspace.run("sweep.py", *arguments)
    assert done.returncode == 0, done.stderr
    assert len(trials(workspace)) == 4
    assert (workspace.folder / "calls").read_text() == "x", "imported once, in the parent"
    assert len(list((workspace.folder / "data" / "cache").glob("*/images.npy"))) == 1


def test_data_that_changed_under_their_name_make_new_trials_and_the_plan_says_so(
    workspace: Workspace,
) -> None:
    path = write_npz(workspace.folder / "faces.npz", {"train": noise(60, 8, 8)})
    own(workspace, "faces.npz")
    assert workspace.run("sweep.py", "own.yaml", "--engine", "serial").returncode == 0
    path.touch()
    plan = workspace.run("sweep.py", "own.yaml", "--dry-run").stdout
    assert "1 trial: 1 finished" in plan, "the same content is the same data"
    write_npz(path, {"train": noise(60, 8, 8, seed=1)})
    plan = " ".join(workspace.run("sweep.py", "own.yaml", "--dry-run").stdout.split())
    assert "1 trial: 1 missing" in plan
    assert "dataset: faces.npz is new data" in plan
    assert workspace.run("sweep.py", "own.yaml", "--engine", "serial").returncode == 0
    digests = [run.tags["data_digest"] for run in trials(workspace)]
    assert len(set(digests)) == 2
    identities = [
        json.loads(run.tags["trial"])["configuration"]["digests"] for run in trials(workspace)
    ]
    assert [identity["dataset"] for identity in identities] == digests


BAD: Mapping[str, str] = {
    "bad.npz": "cut",
    "faces": "one channel among three",
    "photos": "truncated",
    "data.py:load": "raises",
    "nothing.npz": "missing",
    "nowhere/": "missing",
    "mnst": "unknown",
}


@pytest.mark.parametrize("dataset", BAD)
def test_bad_data_are_one_line_and_nothing_is_written(
    dataset: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether they are met while the plan is made or while the images are decoded."""
    monkeypatch.chdir(tmp_path)
    case = BAD[dataset]
    if dataset == "bad.npz":
        damaged(case, tmp_path)
    elif dataset in ("faces", "photos"):
        bad_folder(case, tmp_path)
        (tmp_path / "faces").rename(tmp_path / dataset)
    elif dataset == "data.py:load":
        (tmp_path / "data.py").write_text("def load(data_dir):\n    return 1 / 0\n")
    Workspace(tmp_path).write(EXPERIMENT.format(dataset=dataset), "own.yaml")
    line = complaint(capsys, monkeypatch, tmp_path, sweep, "own.yaml", "--engine", "serial")
    assert dataset.partition(":")[0].strip("/") in line
