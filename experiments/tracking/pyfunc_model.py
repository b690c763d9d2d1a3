"""What `mlflow.pyfunc.load_model` makes of a registered model: the archive, read by this package.

MLflow copies this file into the model and runs the copy ("models from code"), so that nothing in
a registered model is pickled.

`predict(images)` gives reconstructions; `predict(images, params={"samples": n})` gives n samples
instead, whatever the images, the same ones for the same `seed` (another parameter, by default 0).
Images are `float32` in [0, 1], `(n, channels, height, width)`, on the way in and out.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from vae.archive import unpack
from vae.randomness import generator

# MLflow asks for type hints when the class is made, and knows none for arrays.
warnings.filterwarnings("ignore", r".*Add type hints to the `predict` method")


class ServedModel(PythonModel):
    def load_context(self, context: PythonModelContext) -> None:
        folder = Path(context.artifacts["checkpoint"])
        files = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        # Whoever loads a registered model executes what is registered, this file included.
        self._model = unpack(files, trust_code=True).model

    @torch.inference_mode()
    def predict(  # type: ignore[no-untyped-def] # MLflow would make a schema of an annotation
        self, context, model_input, params: Mapping[str, Any] | None = None
    ):
        params = params or {}
        if n_samples := int(params.get("samples", 0)):
            noise_source = generator(int(params.get("seed", 0)), "served samples")
            z = torch.randn(n_samples, self._model.latent_dim, generator=noise_source)
            return self._model.decode(z).numpy()
        return self._model.reconstruct(torch.from_numpy(np.asarray(model_input))).numpy()


set_model(ServedModel())
