"""The archived models of trial runs: written, read, deleted."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from mlflow import MlflowClient
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from experiments.tracking.errors import TrackingRefused
from experiments.tracking.retries import patiently
from vae.errors import BadInput

FOLDER = "checkpoint"
_WEIGHTS = "weights.safetensors"
DESCRIPTION = "configuration.json"
_FILES = (_WEIGHTS, DESCRIPTION)


def write_archive(client: MlflowClient, run_id: str, files: Mapping[str, bytes]) -> None:
    """Put `files` into the run, over what an attempt before a kill may have left of them."""
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), files)
        patiently(client.log_artifacts, run_id, folder, FOLDER)


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """The content of each file under its path below `folder`."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def read_files(folder: Path) -> dict[str, bytes]:
    """The content of every file below `folder`, by its path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def read_archive(client: MlflowClient, run_id: str) -> dict[str, bytes]:
    """The archive's files, by name.

    Raises:
        BadInput: when the run has none.
    """
    present = _present(client, run_id)
    for name in _FILES:
        if name not in present:
            raise BadInput(
                f"has no artifact {FOLDER}/{name}: its model was not kept; see the "
                f"sweep's `--archive`"
            )
    return _download(client, run_id)


def read_remains(client: MlflowClient, run_id: str) -> dict[str, bytes]:
    """What is left of an archive's files, with or without weights; empty if there was none."""
    return _download(client, run_id) if DESCRIPTION in _present(client, run_id) else {}


def _download(client: MlflowClient, run_id: str) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = patiently(client.download_artifacts, run_id, FOLDER, folder)
        return read_files(Path(path))


def has_weights(client: MlflowClient, run_id: str) -> bool:
    return _WEIGHTS in _present(client, run_id)


def delete_weights(client: MlflowClient, run_id: str) -> None:
    """Remove the weights, if there are any; the rest of the run stays as it is.

    MLflow's client cannot delete an artifact, but what lies behind it can: a folder, a server
    that passes artifacts on, S3, GCS, Azure.
    """
    with contextlib.suppress(TrackingRefused):  # weights too many do no harm
        if not has_weights(client, run_id):
            return
        run = patiently(client.get_run, run_id)
        repository = get_artifact_repository(
            run.info.artifact_uri, tracking_uri=client.tracking_uri
        )
        patiently(repository.delete_artifacts, f"{FOLDER}/{_WEIGHTS}")


def _present(client: MlflowClient, run_id: str) -> set[str]:
    files = patiently(client.list_artifacts, run_id, FOLDER)
    return {PurePosixPath(file.path).name for file in files}
