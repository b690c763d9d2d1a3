"""Sweeps: from a question in YAML to an answer with error bars.

For notebooks: `load_trials` and `summarize`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.frames import load_trials as load_trials
    from experiments.statistics import summarize as summarize

_PUBLIC = {
    "load_trials": "experiments.frames",
    "summarize": "experiments.statistics",
}

__all__ = ["load_trials", "summarize"]


def __getattr__(name: str) -> Any:
    # Looked up when asked for: a dry run should not wait for pandas and MLflow to import.
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'experiments' has no attribute '{name}'")
