"""What a registered model answers, without MLflow's server around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mlflow.pyfunc import PythonModelContext

from experiments.tracking.model_files import write_files
from experiments.tracking.pyfunc_model import ServedModel
from vae.archive import pack
from vae.configuration import Configuration, Trial
from vae.model import VAE, fresh_model

SHAPE = (1, 9, 7)
TRIAL = Trial(configuration=Configuration(hidden_dim=8, latent_dim=3), seed=5)
IMAGES = np.random.RandomState(0).rand(4, *SHAPE).astype(np.float32)


@pytest.fixture
def model() -> VAE:
    return fresh_model(TRIAL.configuration, SHAPE, seed=5).eval()


@pytest.fixture
def served(model: VAE, tmp_path: Path) -> ServedModel:
    write_files(tmp_path, pack(model, TRIAL, SHAPE, best_epoch=1))
    served = ServedModel()
    served.load_context(PythonModelContext({"checkpoint": str(tmp_path)}, None))
    return served


def test_images_in_reconstructions_out(served: ServedModel, model: VAE) -> None:
    found = served.predict(None, IMAGES)
    with torch.inference_mode():
        expected = model.reconstruct(torch.from_numpy(IMAGES)).numpy()
    assert found.dtype == np.float32 and (found == expected).all()
    assert (served.predict(None, IMAGES, {"samples": 0}) == expected).all()


def test_samples_are_those_of_their_seed_whatever_the_images(served: ServedModel) -> None:
    first, again, other = (
        served.predict(None, images, {"samples": 3, "seed": seed})
        for images, seed in ((IMAGES, 1), (IMAGES[:1], 1), (IMAGES, 2))
    )
    assert first.shape == (3, *SHAPE)
    assert (first == again).all() and (first != other).any()
    assert first.min() >= 0 and first.max() <= 1
    default = served.predict(None, IMAGES, {"samples": 3})
    assert (default == served.predict(None, IMAGES, {"samples": 3, "seed": 0})).all()
