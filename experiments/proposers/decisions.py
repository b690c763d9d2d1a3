"""What a proposer decides: which trial is next, which configuration is not worth more of them.

A proposer opens no runs and writes to no MLflow. Whoever asks it carries a decision out before
asking for the next one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from experiments.planning.results import TrialOutcome
from vae.configuration import Configuration, Trial


@dataclass(frozen=True)
class Advance:
    """Advance a trial to an epoch; its last one finishes it."""

    trial: Trial
    until: int

    @property
    def configuration(self) -> Configuration:
        return self.trial.configuration


@dataclass(frozen=True)
class Prune:
    """Run no more trials of a configuration.

    Attributes:
        seeds: of its trials that have not come to their end
    """

    configuration: Configuration
    seeds: tuple[int, ...]
    reason: str


@dataclass(frozen=True)
class Settle:
    """A configuration needs no more seeds than it has had."""

    configuration: Configuration


@dataclass(frozen=True)
class Annotate:
    """Say something of a configuration."""

    configuration: Configuration
    tags: Mapping[str, str]


Decision = Advance | Prune | Settle | Annotate


class Proposer(Protocol):
    """A grid, a race, a search."""

    def ask(self) -> Decision | None:
        """The next decision; None while there is none until more has been told."""

    def tell(self, trial: Trial, outcome: TrialOutcome) -> None:
        """What became of an `Advance`."""

    @property
    def n_left(self) -> int:
        """How many trials may still be asked for, or are under way."""

    @property
    def left(self) -> Counter[str]:
        """The same by configuration_id."""
