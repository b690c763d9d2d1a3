"""Which trials of a sweep keep their weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from experiments.metrics import METRICS
from experiments.spec.experiment import Experiment

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

    @property
    def keeps_only_best(self) -> bool:
        """Whether weights are deleted when a configuration is over."""
        return self.keep == "best"

    def runs_to_delete(self, archived: Iterable[tuple[str, Mapping[str, float]]]) -> list[str]:
        """Which runs of a configuration may lose their weights: all but the best.

        Args:
            archived: run_id and final metrics of its finished trials that have weights
        """
        values = {run_id: metrics[self.metric] for run_id, metrics in archived}
        sign = METRICS[self.metric].sign
        return sorted(values, key=lambda run_id: (-sign * values[run_id], run_id))[1:]


def _n_trials(experiment: Experiment) -> int:
    plan = experiment.study
    n_configurations = plan.n_configurations if plan else len(experiment.configurations)
    return n_configurations * len(experiment.seeds)
