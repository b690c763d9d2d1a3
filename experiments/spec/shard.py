"""A part of an experiment's configurations, for one of several machines."""

from __future__ import annotations

from dataclasses import dataclass, replace

from experiments.spec.experiment import Experiment
from vae.errors import BadInput


@dataclass(frozen=True)
class Shard:
    """The `index`-th of `count` parts of an experiment's configurations, counted from 1."""

    index: int
    count: int

    def is_disjoint_from(self, other: Shard) -> bool:
        return self.count == other.count and self.index != other.index

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def take_part(experiment: Experiment, shard: Shard) -> Experiment:
    """The shard's configurations: by their identity, so that no edit of the file moves one.

    Raises:
        BadInput: where every configuration has to know of the others.
    """
    if shard.count > 1 and (experiment.study or experiment.racing):
        what = "a study is one search" if experiment.study else "a race is one comparison"
        raise BadInput(f"--shard: {what} and cannot be split; use --workers")
    part = tuple(
        c for c in experiment.configurations if int(c.id, 16) % shard.count == shard.index - 1
    )
    return replace(experiment, configurations=part)
