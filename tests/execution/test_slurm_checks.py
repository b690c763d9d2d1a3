"""What cannot work with Slurm is told before anything is written; its commands are stood in for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments.execution import slurm_checks
from experiments.execution.engine import Request, Stores
from experiments.execution.engines import options_of
from experiments.execution.slurm import ENGINE
from experiments.execution.slurm_options import slurm_parameters
from vae.errors import BadInput

SERVER = "http://login.cluster:5000"


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A login node: two nodes beside this one, and an sbatch that knows one partition."""
    folder = tmp_path / "bin"
    folder.mkdir()
    sbatch = (
        'for flag in "$@"; do case $flag in --partition=main|--partition=gpu) ;; '
        "--partition=*) echo 'sbatch: error: invalid partition specified' >&2; exit 1;; "
        'esac; done; echo "$@" >> $(dirname $0)/asked'
    )
    sinfo = "printf 'n1|main|main*\\nn2|main|main*\\nn3|gpu|gpu\\n'"
    for name, text in (
        ("sbatch", sbatch), ("sinfo", sinfo), ("squeue", ""), ("scancel", ""), ("srun", ""),
    ):  # fmt: skip
        path = folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(
        "experiments.tracking.reader.artifact_location", lambda *_: "mlflow-artifacts:/1"
    )
    return folder


def check(
    slurm: str = "partition=main", device: str = "cpu", uri: str = SERVER, **places: Path
) -> None:
    stores = Stores(
        "x", uri, "sqlite:////home/me/optuna.db",
        places.get("checkpoints", Path("/home/me/checkpoints")),
        places.get("data", Path("/home/me/data")),
    )  # fmt: skip
    options = options_of("slurm", {"slurm": slurm_parameters(slurm)})
    with ENGINE.open(Request(device, options, stores)) as opened:
        assert opened.n_workers == 8


def test_what_can_work_is_let_pass(commands: Path) -> None:
    check()
    check("partition=gpu,gpus_per_node=1,time=4:00:00,exclusive=true,signal_delay_s=30", "cuda")
    asked = (commands / "asked").read_text().splitlines()
    assert asked[-1] == (
        "--test-only --wrap=true --time=240 --partition=gpu --gpus-per-node=1 --exclusive"
    )
    assert not (Path("checkpoints") / "x").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"slurm": "partition=gpus"}, "would not take such a job .*invalid partition specified"),
        ({"slurm": "partitoin=gpu"}, "--slurm: .*partitoin.*partition"),
        ({"slurm": "cluster=pbs"}, "cluster=pbs: should be slurm or local"),
        ({"device": "cuda"}, "--device cuda: .*--slurm gpus_per_node=1"),
        ({"device": "cuda", "slurm": "gres=scratch:1"}, "--slurm gpus_per_node=1"),
        ({"device": "cuda:0"}, "--device cuda:0: Slurm chooses the GPUs"),
        ({"uri": "sqlite:////home/me/mlflow.db"}, "2 other nodes: they cannot share the file"),
        ({"uri": "http://localhost:5000"}, "nodes cannot reach that; give the server's name"),
        ({"uri": "http://127.0.0.1:5000"}, "nodes cannot reach that"),
        ({"checkpoints": Path("/tmp/c/x")}, "--checkpoint-dir /tmp/c/x: each node has its own"),  # noqa: S108
        ({"data": Path("/run/data")}, "--data-dir /run/data: each node has its own"),
    ],
)
def test_what_cannot_is_told(arguments: dict[str, Any], said: str, commands: Path) -> None:
    with pytest.raises(BadInput, match=said) as told:
        check(**arguments)
    assert "\n" not in str(told.value)


def test_on_a_cluster_of_this_machine_alone_everything_is_shared(
    commands: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_checks.socket, "gethostname", lambda: "n3.cluster")
    check("partition=gpu", uri="sqlite:///mlflow.db", checkpoints=Path("/run/c"))


def test_without_sbatch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="no sbatch here; is this a login node"):
        check()


def test_without_submitit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_checks.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"pip install '\.\[slurm\]'"):
        check()
