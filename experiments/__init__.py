"""Sweeps: from a question in YAML to an answer with error bars.

For notebooks: `load_trials`, `load_curves`, `summarize`, `compare`, `main_effects`, `load_model`.

A question's way through the modules:

    yaml_files, specification, seeds, search_space    what is asked
    options, command_line                             how and where it shall run
    stock, planning, plan_table                       what of it is done, what is left
    grid, racing, search                              which trial is next
    studies, studies_storage, standing                ... where Optuna says so
    running, outcome, progress, locks                 the sweep, from its plan to its last trial
    execution, hiring, ray_engine                     engines, and the workers they hire
    work, worker, ray_worker, archiving               one trial, in a worker
    tracking, trial_runs, configuration_runs          what MLflow is told
    provenance, masking                               ... and of the code, but of no password
    frames, statistics, comparison, effects           what the numbers mean
    reporting, labels                                 how that is shown
    models, evaluating, registering                   trained models, had back
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.comparison import compare as compare
    from experiments.effects import main_effects as main_effects
    from experiments.frames import load_curves as load_curves
    from experiments.frames import load_trials as load_trials
    from experiments.models import load_model as load_model
    from experiments.statistics import summarize as summarize

_PUBLIC = {
    "compare": "experiments.comparison",
    "load_curves": "experiments.frames",
    "load_model": "experiments.models",
    "load_trials": "experiments.frames",
    "main_effects": "experiments.effects",
    "summarize": "experiments.statistics",
}

__all__ = ["compare", "load_curves", "load_model", "load_trials", "main_effects", "summarize"]


def __getattr__(name: str) -> Any:
    # Looked up when asked for: a dry run should not wait for pandas and MLflow to import.
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'experiments' has no attribute '{name}'")
