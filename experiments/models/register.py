"""`analyze.py --register`: the best model of an experiment, under a name in MLflow's registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from experiments.models.load import best_of_experiment, load_archived
from experiments.tracking.model_registry import ALIAS, register
from vae.randomness import generator


def register_best(
    experiment: str,
    tracking_uri: str,
    name: str,
    trust_code: bool = False,
    code_folder: Path | None = None,
    only: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Register the best seed of the configuration with the best mean val/nll.

    Args:
        trust_code, code_folder: as of `load_archived`
        only: which configurations, as of `keep_only`

    Returns:
        What was done, in words.

    Raises:
        BadInput: when there is none with weights, or MLflow does not take the name.
    """
    chosen = best_of_experiment(experiment, tracking_uri, only=only)
    model = load_archived(chosen, "cpu", trust_code, code_folder).model
    z = torch.randn(2, model.latent_dim, generator=generator(0, "input example"))
    with torch.inference_mode():
        example = model.decode(z).numpy()  # images of its own making: no data set is at hand
    run_id = chosen.run.run_id
    files = chosen.tracker.read_archive(run_id)
    version = register(tracking_uri, run_id, name, files, example)
    return (
        f"registered: models:/{name}@{ALIAS} is version {version}: {chosen.name} (run {run_id}), "
        f"{chosen.why}"
    )
