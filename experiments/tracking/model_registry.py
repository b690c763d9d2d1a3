"""MLflow's model registry: an archived model under a name, for `mlflow.pyfunc.load_model`."""

from __future__ import annotations

import contextlib
import importlib.metadata
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from mlflow import MlflowClient, pyfunc
from mlflow.models import ModelSignature
from mlflow.types import ParamSchema, ParamSpec, Schema, TensorSpec

import vae
from experiments.tracking.errors import TrackingRefused
from experiments.tracking.model_files import write_files
from experiments.tracking.retries import connect, patiently
from vae.errors import BadInput

ALIAS = "champion"

_FOLDER = "model"
_PACKAGE = Path(vae.__file__).parent
_CODE = Path(__file__).with_name("pyfunc_model.py")
_NEEDED = ("mlflow", "numpy", "pydantic", "safetensors", "torch")
"""Packages that a registered model is run with, besides this one."""


def register(
    uri: str, run_id: str, name: str, files: Mapping[str, bytes], example: np.ndarray
) -> int:
    """Register the model of a trial run and let the alias `champion` point at it.

    May be said twice: a model that is the champion already is not registered again.

    Args:
        files: its archive, by name
        example: images in [0, 1] that it takes, `(n, channels, height, width)`, `float32`

    Returns:
        The version.

    Raises:
        BadInput: when MLflow does not take the name.
    """
    client = connect(uri)
    _make_name(client, name)
    champion = _champion(client, name)
    if champion is not None and champion[1] == run_id:
        return champion[0]
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / _FOLDER
        _save(model, Path(folder) / "checkpoint", files, example)
        patiently(client.log_artifacts, run_id, str(model), _FOLDER)
    made = patiently(client.create_model_version, name, f"runs:/{run_id}/{_FOLDER}", run_id)
    patiently(client.set_registered_model_alias, name, ALIAS, made.version)
    return int(made.version)


def _make_name(client: MlflowClient, name: str) -> None:
    try:
        patiently(client.get_registered_model, name)
    except TrackingRefused:
        try:
            patiently(client.create_registered_model, name)
        except TrackingRefused as error:
            raise BadInput(f"--register {name}: {error}") from error


def _champion(client: MlflowClient, name: str) -> tuple[int, str] | None:
    """Version and run of the model that is the champion, if there is one."""
    try:
        found = patiently(client.get_model_version_by_alias, name, ALIAS)
    except TrackingRefused:
        return None
    return int(found.version), found.run_id or ""


def _save(model: Path, checkpoint: Path, files: Mapping[str, bytes], example: np.ndarray) -> None:
    write_files(checkpoint, files)
    images = Schema([TensorSpec(example.dtype, (-1, *example.shape[1:]))])
    params = ParamSchema([ParamSpec("samples", "long", 0), ParamSpec("seed", "long", 0)])
    pyfunc.save_model(
        path=str(model),
        python_model=str(_CODE),
        artifacts={"checkpoint": str(checkpoint)},
        signature=ModelSignature(inputs=images, outputs=images, params=params),
        input_example=example,
        code_paths=[str(_PACKAGE)],
        pip_requirements=list(_requirements()),
    )


def _requirements() -> Iterator[str]:
    """With this package, for who installs it; who does not has the copy in `code_paths`."""
    for name in (*_NEEDED, "vae-sweeps"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):  # a bare checkout
            yield f"{name}=={importlib.metadata.version(name)}"
