"""The names that the installed MLflow gives to the files behind its image grid."""

from __future__ import annotations

import numpy as np
from mlflow import MlflowClient

from experiments.tracking.image_names import image_id, is_image, step_of
from tests.conftest import Workspace


def test_names_are_read_as_the_installed_mlflow_writes_them(workspace: Workspace) -> None:
    client = MlflowClient(workspace.tracking_uri)
    experiment = client.create_experiment("x", (workspace.folder / "artifacts").as_uri())
    run_id = client.create_run(experiment).info.run_id
    image = np.zeros((8, 8), dtype=np.uint8)
    for step in (3, 12):
        client.log_image(run_id, image, key="samples", step=step, synchronous=True)
    paths = [file.path for file in client.list_artifacts(run_id, "images")]
    full = [path for path in paths if is_image(path, "samples")]
    assert sorted(step_of(path) for path in full) == [3, 12]
    assert {image_id(path) for path in paths} == {"samples+step+3", "samples+step+12"}
    assert len(paths) == 4, "each with its thumbnail"
    assert not any(is_image(path, "sample") for path in paths)
