"""`analyze.py --register`: a model for `mlflow.pyfunc.load_model` and `mlflow models serve`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments import load_model
from experiments.models.load import choose
from tests.conftest import REPOSITORY, TINY, Workspace, environment
from tests.tracked import runs


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = Workspace(tmp_path_factory.mktemp("registered"))
    workspace.write(TINY)
    arguments = ["--engine", "serial", "--set", "encoder=mlp1"]
    assert workspace.run("sweep.py", "tiny.yaml", *arguments).returncode == 0
    before = runs(workspace.folder / "mlflow.db")
    for _ in range(2):
        done = workspace.run("analyze.py", "tiny", "--register", "digits")
        assert done.returncode == 0, done.stderr
        assert "models:/digits@champion is version 1" in done.stdout
        assert "best mean val/nll" in done.stdout
    assert runs(workspace.folder / "mlflow.db") == before, "no run is touched"
    return workspace


def around(workspace: Workspace) -> dict[str, str]:
    return environment() | {
        "PYTHONPATH": str(REPOSITORY),
        "MLFLOW_TRACKING_URI": workspace.tracking_uri,
        # Where `mlflow models serve` looks for its web server, as in an activated environment.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }


def images() -> np.ndarray:
    return np.random.RandomState(0).rand(3, 1, 28, 28).astype(np.float32)


def best(workspace: Workspace) -> torch.nn.Module:
    """The lowest nll of the configuration whose mean nll is the lowest."""
    by_loss: dict[str, dict[float, str]] = {}
    for run in runs(workspace.folder / "mlflow.db", "trial"):
        by_loss.setdefault(run.params["loss"], {})[run.metrics["val/nll"][0][1]] = run.run_id
    values = min(by_loss.values(), key=lambda values: sum(values))
    chosen = choose("tiny", workspace.tracking_uri)
    assert chosen.run.run_id == values[min(values)]
    return load_model(chosen.run.run_id, workspace.tracking_uri)


def test_plain_mlflow_loads_it_in_another_process(registered: Workspace, tmp_path: Path) -> None:
    code = (
        "import mlflow, numpy, sys\n"
        "model = mlflow.pyfunc.load_model('models:/digits@champion')\n"
        "images = numpy.load('images.npy')\n"
        "again = [model.predict(images, params={'samples': 4, 'seed': s}) for s in (0, 0, 1)]\n"
        "numpy.savez('out.npz', r=model.predict(images), a=again[0], b=again[1], c=again[2])\n"
        "assert model.metadata.signature.params, model.metadata\n"
        "assert model.input_example is not None\n"
    )
    np.save(tmp_path / "images.npy", images())
    subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=around(registered), check=True, timeout=200
    )
    out = np.load(tmp_path / "out.npz")
    with torch.inference_mode():
        expected = best(registered).reconstruct(torch.from_numpy(images())).numpy()  # type: ignore[operator]
    np.testing.assert_allclose(out["r"], expected, rtol=1e-5, atol=1e-6)
    assert out["a"].shape == (4, 1, 28, 28)
    assert (out["a"] == out["b"]).all()
    assert (out["a"] != out["c"]).any()
    assert 0 <= out["a"].min() <= out["a"].max() <= 1


def test_nothing_in_it_is_pickled(registered: Workspace) -> None:
    folder = registered.folder / "mlartifacts" / "tiny"
    (model,) = folder.glob("*/artifacts/model")
    files = {path.name for path in model.rglob("*") if path.is_file()}
    assert {"weights.safetensors", "configuration.json", "pyfunc_model.py", "MLmodel"} <= files
    assert not [name for name in files if name.endswith((".pkl", ".pickle", ".pt", ".pth"))]


@pytest.fixture
def server(registered: Workspace, tmp_path: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/digits@champion",
        "--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
    ]  # fmt: skip
    with (tmp_path / "log.txt").open("w") as log:
        process = subprocess.Popen(
            command, cwd=tmp_path, env=around(registered), stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + 180
    try:
        while not answers(f"http://127.0.0.1:{port}/ping"):
            assert process.poll() is None, (tmp_path / "log.txt").read_text()
            assert time.monotonic() < deadline, (tmp_path / "log.txt").read_text()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        with contextlib.suppress(ProcessLookupError):  # it may have ended by itself
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5):  # noqa: S310
            return True
    except (OSError, urllib.error.URLError):
        return False


def ask(address: str, **content: object) -> np.ndarray:
    request = urllib.request.Request(  # noqa: S310
        address, json.dumps(content).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return np.array(json.load(answer)["predictions"])


def test_it_can_be_served(registered: Workspace, server: str) -> None:
    given = images()
    with torch.inference_mode():
        expected = best(registered).reconstruct(torch.from_numpy(given)).numpy()  # type: ignore[operator]
    np.testing.assert_allclose(ask(server, inputs=given.tolist()), expected, rtol=1e-4, atol=1e-5)
    samples = ask(server, inputs=given[:1].tolist(), params={"samples": 2})
    assert samples.shape == (2, 1, 28, 28)


def test_a_name_that_mlflow_does_not_take(registered: Workspace) -> None:
    done = registered.run("analyze.py", "tiny", "--register", "a/b:c")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1, done.stderr
    assert "--register a/b:c" in done.stderr
