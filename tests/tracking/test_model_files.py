"""Archives in runs: written over what a kill left, read whole or not at all, deleted."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient

from experiments.tracking.model_files import (
    delete_weights,
    has_weights,
    read_archive,
    read_files,
    write_archive,
    write_files,
)
from experiments.tracking.retries import connect
from tests.written import empty_database
from vae.errors import BadInput

FILES = {
    "weights.safetensors": b"\x00w",
    "configuration.json": b"{}",
    "code/encoder/nets.py": b"x = 1\n",
}


@pytest.fixture
def run(tmp_path: Path) -> tuple[MlflowClient, str]:
    (tmp_path / "mlflow.db").write_bytes(empty_database())
    client = connect(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment_id = client.create_experiment("x", (tmp_path / "artifacts").as_uri())
    return client, client.create_run(experiment_id).info.run_id


NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(lambda p: "/".join(p) + ".x")


@given(files=st.dictionaries(NAMES, st.binary(max_size=8), max_size=4))
def test_what_is_written_is_read(
    files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("files")
    write_files(folder, files)
    assert read_files(folder) == files


def test_an_archive_comes_back_from_its_run(run: tuple[MlflowClient, str]) -> None:
    write_archive(*run, {**FILES, "weights.safetensors": b"of an attempt before a kill"})
    write_archive(*run, FILES)
    assert read_archive(*run) == FILES


@pytest.mark.parametrize("missing", ["weights.safetensors", "configuration.json"])
def test_half_an_archive_is_none(run: tuple[MlflowClient, str], missing: str) -> None:
    write_archive(*run, {name: content for name, content in FILES.items() if name != missing})
    with pytest.raises(BadInput, match=f"no artifact checkpoint/{missing}.*--archive"):
        read_archive(*run)


def test_only_the_weights_are_deleted_and_twice_is_no_harm(run: tuple[MlflowClient, str]) -> None:
    delete_weights(*run)
    write_archive(*run, FILES)
    assert has_weights(*run)
    delete_weights(*run)
    delete_weights(*run)
    assert not has_weights(*run)
    client, run_id = run
    left = {file.path for file in client.list_artifacts(run_id, "checkpoint")}
    assert left == {"checkpoint/configuration.json", "checkpoint/code"}
