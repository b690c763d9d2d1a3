"""Sweeps: from a question in YAML to an answer with error bars.

For notebooks: `load_trials`, `load_curves`, `summarize`, `compare`, `main_effects`, `load_model`.
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
