"""How far a study has come: its best configuration, and what mattered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from experiments.formatting import count, format_value
from experiments.tracking.run_record import State

TAG = "study"
"""The tag of the MLflow experiment that holds it as JSON."""

_RENAMED = {"complete": State.FINISHED.value}


@dataclass(frozen=True)
class StudySummary:
    """How far a study has come.

    Attributes:
        study: its name
        metric: of the trials, what is optimised
        counts: how many Optuna trials are finished, pruned, failed
        best_number: of the best finished Optuna trial; None before there is one
        best_fields: the searched fields of its configuration
        best_value: its mean over the seeds
        importances: of each searched field, the share of the variance between the finished
            configurations that it explains (fANOVA; Hutter et al. 2014); empty if they are few
        n_learned: how many configurations of other experiments it was told
        best_from: which of them the best one is of; empty if it was tried here
        n_not_tracked: how many of those that were tried lack runs in MLflow
    """

    study: str
    metric: str
    counts: Mapping[str, int]
    best_number: int | None
    best_fields: Mapping[str, Any]
    best_value: float
    importances: Mapping[str, float]
    n_learned: int = 0
    best_from: str = ""
    n_not_tracked: int = 0

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | None) -> StudySummary | None:
        """None where no study was."""
        if not text:
            return None
        content = json.loads(text)
        # What was written before it was called finished.
        content["counts"] = {_RENAMED.get(k, k): n for k, n in content["counts"].items()}
        return cls(**content)

    @property
    def n_over(self) -> int:
        """Optuna trials that were told."""
        return sum(self.counts.values())

    def lines(self) -> list[str]:
        """For people."""
        told = ", ".join(f"{n} {state}" for state, n in self.counts.items())
        lost = f"; {self.n_not_tracked} of them not tracked" if self.n_not_tracked else ""
        lines = [f"study: {count(self.n_over, 'configuration')} tried: {told}{lost}"]
        if self.best_number is not None:
            fields = ", ".join(f"{k}={format_value(v)}" for k, v in self.best_fields.items())
            where = f", learned from {self.best_from}" if self.best_from else ""
            lines.append(
                f"best: {fields} (mean {self.metric} {self.best_value:.3f}, "
                f"Optuna trial {self.best_number}{where})"
            )
        if self.importances:
            shares = ", ".join(f"{k} {share:.0%}" for k, share in self.importances.items())
            learned = f" and {self.n_learned} learned" if self.n_learned else ""
            lines.append(
                f"importance for {self.metric}, over the {self.counts['finished']} finished"
                f"{learned}: {shares}"
            )
        return lines
