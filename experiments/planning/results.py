"""What is known of the trials of a sweep: kept once, for all who decide, write and count."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from experiments.metrics import METRICS
from experiments.tracking.run_record import OVER, STOPPED, State
from vae.configuration import Configuration, Trial


@dataclass(frozen=True)
class TrialOutcome:
    """How far a trial has come.

    Attributes:
        state: running, if it was advanced to `epoch` and is to go on
        epoch: the last that it has reached; 0 where that is not known
        metrics: the final ones of a finished trial; of a running one, the one asked for
        error: why it failed, or was pruned
        run_id: its MLflow run
        stopped: a person has said that it is to be trained no more
    """

    state: State
    epoch: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    error: str = ""
    run_id: str = ""
    stopped: bool = False

    @property
    def is_over(self) -> bool:
        return self.state in OVER

    def value(self, metric: str) -> float | None:
        """Its metric, higher is better; None where it has none, or none that is finite."""
        value = self.metrics.get(metric, math.nan)
        if self.state not in (State.FINISHED, State.RUNNING) or not math.isfinite(value):
            return None
        return METRICS[metric].sign * value

    def when_stopped(self) -> TrialOutcome:
        """The same where a person has stopped the trial; what has ended has ended."""
        if self.state in (State.FINISHED, State.FAILED):
            return replace(self, stopped=True)
        return TrialOutcome(State.PRUNED, error=STOPPED, run_id=self.run_id, stopped=True)


_UNKNOWN = TrialOutcome(State.MISSING)

Outcomes = Mapping[int, TrialOutcome]
"""Of the trials of one configuration, by seed."""


@dataclass
class ConfigurationResults:
    """What is known of the trials of one configuration.

    Attributes:
        seeds: that this sweep asks for, in the order in which they are to run
        outcomes: by seed, also of seeds that only other sweeps have asked for
        asked_before: the seeds that other sweeps have asked for
        pruned: why no more of its trials are run; empty as long as they are
        settled: whether it needs no more seeds than it has had, though it has not lost
        not_needed: how many seeds it was spared by that
    """

    configuration: Configuration
    seeds: tuple[int, ...]
    outcomes: dict[int, TrialOutcome] = field(default_factory=dict)
    asked_before: Collection[int] = ()
    pruned: str = ""
    settled: bool = False
    not_needed: int = 0

    @property
    def out_of_race(self) -> bool:
        """Whether it gets no more seeds."""
        return bool(self.pruned) or self.settled

    @property
    def expected(self) -> set[int]:
        """The seeds that any sweep has asked for; when that is settled, those that were needed."""
        if self.settled:
            return {*self.seeds, *self.outcomes}
        return {*self.seeds, *self.asked_before}

    @property
    def state(self) -> State:
        if self.left:
            return State.RUNNING
        if any(outcome.state is State.FAILED for outcome in self.outcomes.values()):
            return State.FAILED
        if self.why_pruned:
            return State.PRUNED
        # Another sweep may have asked for more seeds, and been interrupted.
        return State.FINISHED if len(self.finished) >= len(self.expected) else State.MISSING

    @property
    def stopped(self) -> set[int]:
        """The seeds that a person has stopped before their end."""
        return {s for s, outcome in self.outcomes.items() if outcome.state is State.PRUNED}

    @property
    def why_pruned(self) -> str:
        """Empty if it was not. A mean that lacks a seed by somebody's choice is none to compare."""
        return self.pruned or (STOPPED if self.stopped else "")

    @property
    def ended(self) -> bool:
        """Whether nothing more is to come, as far as is known."""
        return self.state in OVER

    def is_over(self, seed: int) -> bool:
        return seed in self.outcomes and self.outcomes[seed].is_over

    @property
    def not_over(self) -> list[int]:
        """The seeds of trials that have not come to their end, pruned or not."""
        return [seed for seed in self.seeds if not self.is_over(seed)]

    @property
    def left(self) -> list[int]:
        """The seeds of trials that are still to be run, or running."""
        return [] if self.pruned else self.not_over

    @property
    def finished(self) -> dict[int, TrialOutcome]:
        """In the order of the seeds: in the order in which they finished, the last bit of a mean
        would tell who was first.
        """
        return {
            seed: outcome
            for seed, outcome in sorted(self.outcomes.items())
            if outcome.state is State.FINISHED
        }

    @property
    def errors(self) -> dict[int, str]:
        """By seed, why those failed that this sweep asks for."""
        return {
            seed: self.outcomes[seed].error
            for seed in sorted(self.seeds)
            if seed in self.outcomes and self.outcomes[seed].state is State.FAILED
        }

    def values(self, metric: str, epoch: int = 0) -> dict[int, float]:
        """By seed of this sweep, the values of those that reached `epoch`; higher is better."""
        found = {}
        for seed in sorted(set(self.seeds) & self.outcomes.keys()):
            outcome = self.outcomes[seed]
            value = outcome.value(metric)
            if value is not None and outcome.epoch >= epoch:
                found[seed] = value
        return found


@dataclass(frozen=True)
class Counts:
    """How many of a sweep's trials came to which end.

    Attributes:
        n_before: those that were finished when it started
        n_finished: those that it finished
        n_failed, n_pruned: whenever that was
        n_not_needed: those that a race could do without, though nobody lost by it
    """

    n_before: int
    n_finished: int
    n_failed: int
    n_pruned: int
    n_not_needed: int = 0


class Results:
    """What is known of the trials of a sweep.

    Whoever proposes trials records what became of them here; nobody else keeps a copy.
    """

    def __init__(
        self,
        known: Mapping[str, Outcomes] | None = None,
        asked_before: Mapping[str, Collection[int]] | None = None,
        stopped: Collection[str] = (),
    ) -> None:
        """Args:
        known: of each configuration_id, what earlier sweeps have found out
        asked_before: of each configuration_id, the seeds that they have asked for
        stopped: the configuration_ids that a person has stopped
        """
        self._known = known or {}
        self._asked_before = asked_before or {}
        self._stopped = stopped
        self._wanted: dict[str, ConfigurationResults] = {}
        self.n_left = 0
        """How many trials are to be run, or running."""

    def ask_for(self, configuration: Configuration, seeds: Iterable[int]) -> ConfigurationResults:
        """Note that a sweep wants these trials; returns what is known of them."""
        seeds = tuple(seeds)
        outcomes = dict(self._known.get(configuration.id, {}))
        if configuration.id in self._stopped:
            outcomes |= {s: outcomes.get(s, _UNKNOWN).when_stopped() for s in seeds}
        asked_before = self._asked_before.get(configuration.id, ())
        found = ConfigurationResults(configuration, seeds, outcomes, asked_before)
        self._wanted[configuration.id] = found
        self.n_left += len(found.left)
        return found

    def __getitem__(self, configuration_id: str) -> ConfigurationResults:
        return self._wanted[configuration_id]

    def __contains__(self, configuration_id: object) -> bool:
        return configuration_id in self._wanted

    @property
    def configurations(self) -> Collection[ConfigurationResults]:
        """Those that are asked for, in that order."""
        return self._wanted.values()

    def outcome(self, trial: Trial) -> TrialOutcome | None:
        return self._wanted[trial.configuration.id].outcomes.get(trial.seed)

    def record(self, trial: Trial, outcome: TrialOutcome) -> None:
        """What became of a trial, or how far it was advanced."""
        found = self._wanted[trial.configuration.id]
        if outcome.is_over and not found.is_over(trial.seed) and not found.pruned:
            self.n_left -= 1
        found.outcomes[trial.seed] = outcome

    def prune(self, configuration_id: str, reason: str) -> None:
        """No more trials of the configuration are run."""
        found = self._wanted[configuration_id]
        self.n_left -= len(found.left)
        found.pruned = reason

    def settle(self, configuration_id: str) -> None:
        """The configuration needs no more seeds than it has had: those are all of its seeds."""
        found = self._wanted[configuration_id]
        self.n_left -= len(found.left)
        found.not_needed += len(found.not_over)
        found.seeds = tuple(seed for seed in found.seeds if found.is_over(seed))
        found.settled = True

    def is_new(self, configuration_id: str, seed: int) -> bool:
        """Whether a trial's outcome was recorded by this sweep."""
        known = self._known.get(configuration_id, {}).get(seed)
        return self._wanted[configuration_id].outcomes[seed] is not known

    def count(self) -> Counts:
        """What became of the trials that are asked for."""
        states = Counter[tuple[State, bool]]()
        n_pruned = 0
        for found in self._wanted.values():
            n_pruned += len(found.not_over) if found.pruned else 0
            for seed in found.seeds:
                if found.is_over(seed):
                    new = self.is_new(found.configuration.id, seed)
                    states[found.outcomes[seed].state, new] += 1
        return Counts(
            n_before=states[State.FINISHED, False],
            n_finished=states[State.FINISHED, True],
            n_failed=states[State.FAILED, False] + states[State.FAILED, True],
            n_pruned=states[State.PRUNED, False] + states[State.PRUNED, True] + n_pruned,
            n_not_needed=sum(found.not_needed for found in self._wanted.values()),
        )
