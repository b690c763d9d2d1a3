"""Which trials of a sweep keep their weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.metrics import METRICS
from experiments.planning.results import TrialOutcome
from experiments.spec.experiment import Experiment

if TYPE_CHECKING:
    from experiments.tracking.writer import ExperimentWriter  # --help does without MLflow

CHOICES = ("all", "best", "none")

KEEP_ALL_UP_TO = 100
"""Trials of which all are kept unless a person says otherwise: some hundred megabytes."""


@dataclass(frozen=True)
class Archiving:
    """What becomes of the weights of finished trials.

    Attributes:
        keep: `all`, `none`, or `best`: those of each configuration's best seed
        metric: by which a seed is the best, `return` or `val/nll`
    """

    keep: str
    metric: str

    @classmethod
    def of(cls, experiment: Experiment, keep: str | None) -> Archiving:
        """Args: keep: what a person asked for; by default, by the size of the whole experiment"""
        if keep is None:
            keep = "all" if _n_trials(experiment) <= KEEP_ALL_UP_TO else "best"
        return cls(keep, experiment.metric)

    @property
    def writes(self) -> bool:
        """Whether workers archive. Who is the best is known only when all seeds are over."""
        return self.keep != "none"

    def delete_all_but_the_best(
        self, tracker: ExperimentWriter, finished: Iterable[TrialOutcome]
    ) -> None:
        """When a configuration has ended: of the seeds whose weights are there, keep the best
        one's, if that is what was asked for.
        """
        if self.keep != "best":
            return
        archived = [
            (outcome.run_id, outcome.metrics)
            for outcome in finished
            if outcome.metrics and tracker.has_weights(outcome.run_id)
        ]
        for run_id in self.runs_to_delete(archived):
            tracker.delete_weights(run_id)

    def runs_to_delete(self, archived: Iterable[tuple[str, Mapping[str, float]]]) -> list[str]:
        """Which runs of a configuration may lose their weights: all but the best.

        Args:
            archived: run_id and final metrics of its finished trials that have weights
        """
        sign = METRICS[self.metric].sign
        values = {run_id: sign * metrics[self.metric] for run_id, metrics in archived}

        def best_first(run_id: str) -> tuple[bool, float, str]:
            return not math.isfinite(values[run_id]), -values[run_id], run_id

        return sorted(values, key=best_first)[1:]


def _n_trials(experiment: Experiment) -> int:
    plan = experiment.study
    n_configurations = plan.n_configurations if plan else len(experiment.configurations)
    return n_configurations * len(experiment.seeds)
