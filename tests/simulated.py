"""Sweeps without training: decisions carried out by looking numbers up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from experiments.planning.results import Outcomes, Results, TrialOutcome
from experiments.proposers.decisions import Advance, Annotate, Proposer, Prune, Settle
from experiments.tracking.run_record import State
from vae.configuration import Configuration, Trial

Value = Callable[[Trial, int], float]
"""What a trial's metric is at an epoch; an `ArithmeticError` is the trial's failure."""


class Stopped(Exception):
    """What a value raises where a person stops the trial."""


@dataclass
class SimulatedSweep:
    """Carries out what a proposer decides, `capacity` trials at once.

    Attributes:
        epochs: how far each (configuration_id, seed) was trained
        over: the state of every trial that ended
        pruned: why each configuration_id was pruned
        settled: the configuration_ids that need no more seeds
        tags: of each configuration
        interrupted_after: how many trials to advance before a kill; None to go on to the end
    """

    proposer: Proposer
    value: Value
    metric: str = "return"
    capacity: int = 2
    interrupted_after: int | None = None
    epochs: dict[tuple[str, int], int] = field(default_factory=dict)
    over: dict[tuple[str, int], State] = field(default_factory=dict)
    pruned: dict[str, str] = field(default_factory=dict)
    settled: list[str] = field(default_factory=list)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    advanced: list[Advance] = field(default_factory=list)

    def run(self) -> SimulatedSweep:
        out = deque[Advance]()
        while True:
            while len(out) < self.capacity and (advance := self.ask()) is not None:
                out.append(advance)
            if not out or len(self.advanced) == self.interrupted_after:
                return self
            self.tell(out.popleft())

    def ask(self) -> Advance | None:
        """The next trial; what needs no worker is noted on the way."""
        while (decision := self.proposer.ask()) is not None:
            if isinstance(decision, Advance):
                return decision
            configuration_id = decision.configuration.id
            if isinstance(decision, Annotate):
                self.tags[configuration_id] = dict(decision.tags)
            elif isinstance(decision, Settle):
                self.settled.append(configuration_id)
            elif isinstance(decision, Prune):
                self.pruned[configuration_id] = decision.reason
                self.over |= {(configuration_id, seed): State.PRUNED for seed in decision.seeds}
        return None

    def tell(self, advance: Advance) -> None:
        trial = advance.trial
        self.advanced.append(advance)
        self.epochs[trial.configuration.id, trial.seed] = advance.until
        outcome = self._outcome(advance)
        if outcome.is_over:
            self.over[trial.configuration.id, trial.seed] = outcome.state
        self.proposer.tell(trial, outcome)

    def _outcome(self, advance: Advance) -> TrialOutcome:
        finished = advance.until == advance.configuration.epochs
        try:
            value = self.value(advance.trial, advance.until)
        except ArithmeticError as error:
            return TrialOutcome(State.FAILED, error=str(error))
        except Stopped:
            return TrialOutcome(State.RUNNING).when_stopped()
        state = State.FINISHED if finished else State.RUNNING
        return TrialOutcome(state, advance.until, {self.metric: value})

    @property
    def n_epochs(self) -> int:
        """That were trained, of all trials together."""
        return sum(self.epochs.values())


def asked_for(
    configurations: Iterable[Configuration],
    seeds: Iterable[int],
    known: Mapping[str, Outcomes] | None = None,
) -> Results:
    """What a sweep of these knows when it starts.

    Args:
        known: of each configuration_id, what is tracked; by default nothing
    """
    results, seeds = Results(known), tuple(seeds)
    for configuration in configurations:
        results.ask_for(configuration, seeds)
    return results
