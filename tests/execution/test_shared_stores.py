"""What several machines cannot share."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.execution.engine import Stores
from experiments.execution.shared_stores import check_shared
from vae.errors import BadInput

SERVER = "http://tracking.org:5000"


def stores(uri: str, storage: str = "") -> Stores:
    return Stores("x", uri, storage)


@pytest.fixture
def artifacts(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Where a server keeps artifacts, as it would answer: `at` is to be set."""
    answer = {"at": "mlflow-artifacts:/3"}
    monkeypatch.setattr(
        "experiments.tracking.reader.artifact_location", lambda uri, name: answer["at"]
    )
    return answer


@pytest.mark.parametrize(
    "uri", ["sqlite:///mlflow.db", "postgresql://me:secret@db/mlflow", "mysql://me:secret@db/m"]
)
@pytest.mark.parametrize("folders_are_shared", [True, False])
def test_only_a_server_takes_what_many_machines_write(uri: str, folders_are_shared: bool) -> None:
    with pytest.raises(BadInput, match="--engine ray: they cannot share") as refused:
        check_shared("--engine ray", stores(uri), folders_are_shared)
    said = str(refused.value)
    assert "mlflow server --backend-store-uri" in said and "secret" not in said
    assert "\n" not in said


def test_a_server_is_enough_where_folders_are_shared() -> None:
    """It is not even asked: the parent alone writes to the storage of a study."""
    check_shared("slurm", stores(SERVER, "sqlite:///optuna.db"), folders_are_shared=True)


def test_a_study_s_storage_outlives_the_machine(artifacts: dict[str, str]) -> None:
    with pytest.raises(BadInput, match="--optuna-storage postgresql://"):
        check_shared("ray", stores(SERVER, "sqlite:///optuna.db"))
    check_shared("ray", stores(SERVER, "postgresql://db/optuna"))
    check_shared("ray", stores(SERVER))


@pytest.mark.parametrize("place", ["/srv/mlruns/3", "file:///srv/mlruns/3", "./mlruns/3"])
def test_artifacts_in_a_folder_of_one_machine(artifacts: dict[str, str], place: str) -> None:
    artifacts["at"] = place
    with pytest.raises(BadInput, match="--artifacts-destination"):
        check_shared("ray", stores(SERVER))


@pytest.mark.parametrize("place", ["s3://bucket/3", "mlflow-artifacts:/3", "gs://bucket/3"])
def test_artifacts_that_everybody_reaches(artifacts: dict[str, str], place: str) -> None:
    artifacts["at"] = place
    check_shared("ray", stores(SERVER, str(Path())))
