"""How far a study has come: its best configuration, and what mattered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from experiments.formatting import format_value
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
    """

    study: str
    metric: str
    counts: Mapping[str, int]
    best_number: int | None
    best_fields: Mapping[str, Any]
    best_value: float
    importances: Mapping[str, float]

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
        lines = [f"study: {self.n_over} configurations tried: {told}"]
        if self.best_number is not None:
            fields = ", ".join(f"{k}={format_value(v)}" for k, v in self.best_fields.items())
            lines.append(
                f"best: {fields} (mean {self.metric} {self.best_value:.3f}, "
                f"Optuna trial {self.best_number})"
            )
        if self.importances:
            shares = ", ".join(f"{k} {share:.0%}" for k, share in self.importances.items())
            lines.append(
                f"importance for {self.metric}, over the {self.counts['finished']} finished: "
                f"{shares}"
            )
        return lines
