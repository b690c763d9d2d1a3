"""Code of one's own from the first sweep to the registered model, as a person goes through it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments import load_model, load_trials
from tests.conftest import Workspace, environment
from tests.tracked import runs
from vae.components import user_code
from vae.errors import BadInput

NETS = '''
import math

from torch import nn

from parts import activation
from vae.encoders import Encoder


class Wide(Encoder):
    """A wide one."""

    def __init__(self, shape, hidden_dim, latent_dim, *, width: int = 20):
        body = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), width), activation())
        super().__init__(body, width, latent_dim)


class Steep(Encoder):
    def __init__(self, shape, hidden_dim, latent_dim):
        body = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), 8), nn.Tanh())
        super().__init__(body, 8, latent_dim)
'''
PARTS = "from torch import nn\n\nactivation = nn.ReLU\n"
LOSSES = """
import torch

from vae.losses import BinaryCrossEntropy


class Scaled(BinaryCrossEntropy):
    def __init__(self, *, scale: float = 1.0):
        self.scale = scale

    def reconstruction(self, logits, x):
        return self.scale * super().reconstruction(logits, x)
"""
QUESTION = """
name: own
dataset: mnist5k
grid:
  encoder: [mlp1, "nets.py:Wide", "nets.py:Steep"]
  encoder.width: [20, 40]
fixed: {loss: "losses.py:Scaled", epochs: 1, hidden_dim: 8, latent_dim: 2, batch_size: 500,
        nll_samples: 2, nll_images: 50}
pictures: {every: 0}
"""
SERIAL = ("--engine", "serial")


@pytest.fixture(autouse=True)
def _nothing_is_known_of_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_code, "_known", {})


@pytest.fixture
def own(workspace: Workspace) -> Workspace:
    for name, text in (("nets.py", NETS), ("parts.py", PARTS), ("losses.py", LOSSES)):
        workspace.write(text, name)
    workspace.write(QUESTION, "own.yaml")
    return workspace


def edit(workspace: Workspace, name: str, old: str, new: str) -> None:
    text = (workspace.folder / name).read_text()
    assert old in text
    workspace.write(text.replace(old, new), name)


def sweep(workspace: Workspace, *arguments: str) -> str:
    done = workspace.run("sweep.py", "own.yaml", *SERIAL, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()[-1]


def test_only_what_was_edited_is_trained_again(own: Workspace) -> None:
    assert sweep(own).startswith("4 trials finished.")  # mlp1 and Steep take no width
    database = own.folder / "mlflow.db"
    before = {run.run_id for run in runs(database, "trial")}

    edit(own, "nets.py", '"""A wide one."""', '"""Wide, as in the paper."""  # see section 3')
    edit(own, "parts.py", "activation = nn.ReLU", "# units\nactivation = (\n    nn.ReLU\n)")
    assert sweep(own).startswith("0 trials finished, 4 ")
    edit(own, "nets.py", "nn.Tanh()", "nn.Sigmoid()")
    plan = " ".join(own.run("sweep.py", "own.yaml", "--dry-run").stdout.split())
    assert re.search(
        r"encoder: mlp1, nets\.py:Wide unchanged; nets\.py:Steep is new code \([0-9a-f]{4}…\), "
        r"1 trial of older code stays", plan,
    )  # fmt: skip
    assert sweep(own).startswith("1 trial")
    edit(own, "parts.py", "nn.ReLU", "nn.ELU")
    assert sweep(own).startswith("2 trials finished")
    edit(own, "parts.py", "nn.ELU", "nn.ReLU")
    edit(own, "nets.py", "nn.Sigmoid()", "nn.Tanh()")
    assert sweep(own).startswith("0 trials finished, 4 "), "the old ones stay"
    assert before < {run.run_id for run in runs(database, "trial")}
    assert len(runs(database, "trial")) == 7


def test_what_is_tracked_of_it(own: Workspace) -> None:
    sweep(own, "--set", "encoder.width=40")
    tracked = runs(own.folder / "mlflow.db", "trial")
    wide = next(run for run in tracked if run.params["encoder"] == "nets.py:Wide")
    assert wide.params["encoder.width"] == "40"
    assert wide.params["loss.scale"] == "1.0"
    assert wide.name == "nets.py:Wide losses.py:Scaled none s0"
    steep = next(run for run in tracked if run.params["encoder"] == "nets.py:Steep")
    assert "encoder.width" not in steep.params
    assert len({run.tags["code_digest"] for run in tracked}) == 3
    assert {run.tags["numbers_version"] for run in tracked} == {"2"}
    digests = json.loads(wide.tags["trial"])["configuration"]["digests"]
    assert set(digests) == {"encoder", "loss"}
    diffs = list(own.folder.glob(f"mlartifacts/own/{wide.run_id}/artifacts/git.diff"))
    if wide.tags.get("git.dirty"):  # of a checkout
        assert wide.tags["git.dirty"] == "true"
        assert "+class Wide(Encoder):" in diffs[0].read_text()

    frame = load_trials("own", own.tracking_uri)
    widths = dict(zip(frame["encoder"], frame["encoder.width"].astype(object), strict=True))
    assert widths["nets.py:Wide"] == 40
    assert frame["encoder.width"].isna().sum() == 2
    assert set(frame["loss.scale"]) == {1.0}


def test_numbers_are_the_same_wherever_the_code_is_executed(own: Workspace) -> None:
    """In spawned workers, which import the file anew, and from what was read of it."""
    done = own.run_process("sweep.py", "own.yaml", "--workers", "2")
    assert done.returncode == 0, done.stderr
    other = own.folder / "other.db"
    sweep(own, "--tracking-uri", f"sqlite:///{other}")
    numbers = [
        {run.tags["trial_id"]: run.metrics["return"][-1][1] for run in runs(database, "trial")}
        for database in (own.folder / "mlflow.db", other)
    ]
    assert numbers[0] == numbers[1]
    assert len(numbers[0]) == 4


def test_workers_execute_what_the_sweep_has_read(own: Workspace) -> None:
    """The file is gone once the sweep has tried it; edited, it would be other code."""
    edit(
        own,
        "nets.py",
        "import math\n",
        "import math, os\nif os.path.exists(__file__):\n    os.remove(__file__)\n",
    )
    done = own.run_process("sweep.py", "own.yaml", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert not (own.folder / "nets.py").exists()
    assert "4 trials finished" in done.stderr


def test_values_given_on_the_command_line_are_relative_to_the_current_folder(
    own: Workspace,
) -> None:
    assert sweep(own, "--set", "encoder=nets.py:Steep").startswith("1 trial")
    (own.folder / "below").mkdir()
    done = Workspace(own.folder / "below").run(
        "sweep.py", "../own.yaml", *SERIAL, "--tracking-uri", own.tracking_uri,
        "--set", "encoder=../nets.py:Steep",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1].startswith("0 trials finished, 1 ")


def test_a_study_draws_options_where_they_are_taken(own: Workspace) -> None:
    own.write(
        """
name: own
dataset: mnist5k
study:
  trials: 8
  sampler: random
  space:
    encoder: [mlp1, "nets.py:Wide", "deep.py:Deep"]
    encoder.width: {low: 5, high: 9}
    encoder.layers: [[8], [8, 8]]
fixed: {epochs: 1, hidden_dim: 8, latent_dim: 2, batch_size: 500, nll_samples: 2, nll_images: 50}
pictures: {every: 0}
""",
        "own.yaml",
    )
    own.write(
        NETS.replace("width: int = 20", "layers: tuple[int, ...] = ()")
        .replace("width", "layers[0]")
        .replace("Wide", "Deep"),
        "deep.py",
    )
    sweep(own)
    assert sweep(own).startswith("0 trials finished"), "what was drawn is read back as it was"
    for run in runs(own.folder / "mlflow.db", "trial"):
        takes = {n for n in ("encoder.width", "encoder.layers") if n in run.params}
        of = {"mlp1": set(), "nets.py:Wide": {"encoder.width"}, "deep.py:Deep": {"encoder.layers"}}
        assert takes == of[run.params["encoder"]]
        if "encoder.width" in takes:
            assert 5 <= int(run.params["encoder.width"]) <= 9


# ------------------------------------------------------------------ archives, security


@pytest.fixture
def archived(own: Workspace) -> tuple[Workspace, str]:
    """A workspace with one finished trial of `Wide`, and its run."""
    edit(own, "own.yaml", "  encoder.width: [20, 40]\n", "")
    sweep(own, "--set", "encoder=nets.py:Wide")
    user_code._known.clear()
    return own, runs(own.folder / "mlflow.db", "trial")[0].run_id


@pytest.fixture
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("elsewhere")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def test_the_source_is_kept_as_text(archived: tuple[Workspace, str]) -> None:
    workspace, run_id = archived
    folder = workspace.folder / "mlartifacts" / "own" / run_id / "artifacts" / "checkpoint"
    assert (folder / "code" / "encoder" / "nets.py").read_text() == NETS
    assert (folder / "code" / "encoder" / "parts.py").read_text() == PARTS
    assert (folder / "code" / "loss" / "losses.py").read_text() == LOSSES


def test_an_archived_model_needs_its_own_file_or_trust(
    archived: tuple[Workspace, str], elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, run_id = archived
    with pytest.raises(BadInput, match=r"not in this folder as it was.*--trust-code"):
        load_model(run_id, workspace.tracking_uri)
    (elsewhere / "nets.py").write_text(NETS + "\nraise SystemExit('executed')\n")
    with pytest.raises(BadInput, match="not in this folder as it was"):
        load_model(run_id, workspace.tracking_uri)

    trusted = load_model(run_id, workspace.tracking_uri, trust_code=True)
    user_code._known.clear()
    monkeypatch.chdir(workspace.folder)
    local = load_model(run_id, workspace.tracking_uri)
    weights = local.state_dict()
    assert all((tensor == weights[name]).all() for name, tensor in trusted.state_dict().items())


def test_evaluate_says_so_too(archived: tuple[Workspace, str], elsewhere: Path) -> None:
    workspace, run_id = archived
    other = Workspace(elsewhere)
    arguments = ("evaluate.py", run_id, "--tracking-uri", workspace.tracking_uri)
    refused = other.run(*arguments)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "encoder 'nets.py:Wide' is somebody's own code" in refused.stderr
    question = workspace.folder / "own.yaml"
    done = other.run("evaluate.py", str(question), "--tracking-uri", workspace.tracking_uri)
    assert done.returncode == 0, "the file beside the experiment is still that file"
    user_code._known.clear()
    done = other.run(*arguments, "--trust-code")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("equal to the last bit") >= 4
    assert "differs" not in done.stdout


@pytest.mark.parametrize("damaged", ["nets.py", "parts.py"])
def test_a_damaged_source_is_not_executed(
    archived: tuple[Workspace, str], elsewhere: Path, damaged: str
) -> None:
    workspace, run_id = archived
    folder = workspace.folder / "mlartifacts" / "own" / run_id / "artifacts" / "checkpoint"
    with (folder / "code" / "encoder" / damaged).open("a") as file:
        file.write("\nprint('executed')\n")
    with pytest.raises(BadInput, match="is damaged: its digest is not the trial's"):
        load_model(run_id, workspace.tracking_uri, trust_code=True)
    (folder / "code" / "encoder" / damaged).unlink()
    with pytest.raises(BadInput, match="lacks a file"):
        load_model(run_id, workspace.tracking_uri, trust_code=True)


def test_nothing_that_is_tracked_is_executed_without_trust(
    archived: tuple[Workspace, str], elsewhere: Path
) -> None:
    """Tags and archives that name everything that could be executed, in a folder full of it."""
    workspace, run_id = archived
    trap = "open('executed', 'w').close()\n"
    for name in ("nets.py", "parts.py", "losses.py", "evil.py"):
        (elsewhere / name).write_text(trap + NETS)
    folder = workspace.folder / "mlartifacts" / "own" / run_id / "artifacts" / "checkpoint"
    original = (folder / "configuration.json").read_text()
    values = [
        "nets.py:Wide",
        "evil.py:Wide",
        "../nets.py:Wide",
        "os:system",
        f"{elsewhere}/evil.py:x",
    ]
    for value in values:
        for kind in ("encoder", "decoder", "loss", "transform", "objective", "dataset"):
            for digest in (None, "0" * 16):
                content = json.loads(original)
                configuration = content["trial"]["configuration"]
                configuration[kind] = value
                configuration["digests"] = {kind: digest} if digest else {}
                (folder / "configuration.json").write_text(json.dumps(content))
                tag = json.dumps(content["trial"])
                set_tag(workspace, run_id, "trial", tag)
                with pytest.raises(BadInput):
                    load_model(run_id, workspace.tracking_uri)
                load_trials("own", workspace.tracking_uri)
    done = Workspace(elsewhere).run(
        "analyze.py", "own", "--tracking-uri", workspace.tracking_uri, "--out", "report"
    )
    assert done.returncode == 0, done.stderr
    assert not list(elsewhere.rglob("executed"))
    assert not list(workspace.folder.rglob("executed"))


def set_tag(workspace: Workspace, run_id: str, key: str, value: str) -> None:
    from mlflow import MlflowClient

    MlflowClient(workspace.tracking_uri).set_tag(run_id, key, value)


def test_a_registered_model_carries_the_code(
    archived: tuple[Workspace, str], elsewhere: Path
) -> None:
    workspace, _ = archived
    done = workspace.run("analyze.py", "own", "--register", "mine")
    assert done.returncode == 0, done.stderr
    code = (
        "import sys, mlflow, numpy as np\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "model = mlflow.pyfunc.load_model('models:/mine@champion')\n"
        "print(model.predict(np.zeros((1, 1, 28, 28), 'float32')).shape)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, workspace.tracking_uri], cwd=elsewhere, env=environment(),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "(1, 1, 28, 28)" in done.stdout
    (requirements,) = workspace.folder.rglob("model/requirements.txt")
    assert "vae-sweeps==" in requirements.read_text()
    assert (requirements.parent / "code" / "vae" / "archive.py").is_file()
