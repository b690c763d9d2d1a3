"""How MLflow names the files of pictures: as the installed version does it, or this fails."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mlflow import MlflowClient

from experiments.tracking.image_names import image_id, is_image, step_of
from tests.written import empty_database


def test_the_files_behind_a_picture_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(empty_database())
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    experiment = client.create_experiment("x", (tmp_path / "artifacts").as_uri())
    run_id = client.create_run(experiment).info.run_id
    for key, step in (("samples", 3), ("samples", 12), ("samples_of_x", 5)):
        client.log_image(run_id, np.zeros((4, 4), np.uint8), key=key, step=step, synchronous=True)
    paths = [file.path for file in client.list_artifacts(run_id, "images")]
    assert len(paths) == 6
    pictures = [path for path in paths if is_image(path, "samples")]
    assert sorted(map(step_of, pictures)) == [3, 12]
    assert {image_id(path) for path in paths} == {
        "samples+step+3", "samples+step+12", "samples_of_x+step+5",
    }  # fmt: skip
    thumbnails = [path for path in paths if path.endswith(".webp")]
    assert len(thumbnails) == 3, "the last file of each, by which a resumed trial knows it is whole"
