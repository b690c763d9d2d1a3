"""Sweeps: from a question in YAML to an answer with error bars.

For notebooks: `run`, `load_trials`, `load_curves`, `summarize`, `compare`, `main_effects`,
`replay_race`, `load_model`.

A question's way through the packages. An import never goes from a package to one below it in
this list; `tests/test_layering.py` holds it to that.

    secrets, formatting, metrics    what everybody needs: masked passwords, labels, one table
                                    of metrics
    spec                            what is asked: experiment files, seeds, search spaces
    tracking                        MLflow, and nowhere else: reading runs, writing them
    cli                             what the commands share: bad input is one line and exit 2
    analysis                        what the numbers mean, as frames and pure functions
    planning                        what is done already, what is left, how long it takes
    execution                       who does it: engines, workers, locks
    proposers                       which trial is next: a grid, a race, a study
    sweep                           the parent process: opens runs, shows progress, ends
    reporting                       how an answer is shown: terminal, tables, charts, HTML
    models                          trained models: loaded, evaluated, registered
    commands                        sweep.py, analyze.py, evaluate.py
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.analysis.comparison import compare as compare
    from experiments.analysis.load import load_curves as load_curves
    from experiments.analysis.load import load_trials as load_trials
    from experiments.analysis.main_effects import main_effects as main_effects
    from experiments.analysis.replay import replay_race as replay_race
    from experiments.analysis.statistics import summarize as summarize
    from experiments.models.load import load_model as load_model
    from experiments.sweep.notebook import run as run

_PUBLIC = {
    "compare": "experiments.analysis.comparison",
    "load_curves": "experiments.analysis.load",
    "load_model": "experiments.models.load",
    "load_trials": "experiments.analysis.load",
    "main_effects": "experiments.analysis.main_effects",
    "replay_race": "experiments.analysis.replay",
    "run": "experiments.sweep.notebook",
    "summarize": "experiments.analysis.statistics",
}

__all__ = [
    "compare",
    "load_curves",
    "load_model",
    "load_trials",
    "main_effects",
    "replay_race",
    "run",
    "summarize",
]


def __getattr__(name: str) -> Any:
    # Looked up when asked for: a dry run should not wait for pandas and MLflow to import.
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'experiments' has no attribute '{name}'")
