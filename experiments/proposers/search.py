"""A study as a proposer: a configuration at a time through its rungs and its seeds."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from experiments.analysis.race import lost_to_best
from experiments.metrics import METRICS
from experiments.planning.results import ConfigurationResults, Results, TrialOutcome
from experiments.proposers.decisions import Advance, Annotate, Decision, Prune
from experiments.proposers.optuna_study import Study
from experiments.proposers.optuna_trials import Proposal, Told
from experiments.proposers.racing_grid import why_lost
from experiments.spec.search_space import StudyPlan, rungs
from experiments.tracking.long_tags import list_tags
from experiments.tracking.run_record import STOPPED, State
from vae.configuration import Configuration, Trial
from vae.errors import BadInput

_FIRST_SEEDS = 2
"""Seeds that every configuration of a race gets before it can lose."""

_ERRORS, _ERROR = 3, 300
"""How many seeds' errors a configuration's is told by, and how many characters of each."""


@dataclass(frozen=True)
class _Verdict:
    """What an Optuna trial is told: its state, the mean over the seeds, and why."""

    state: State
    value: float | None
    reason: str = ""


@dataclass(frozen=True)
class _Told:
    """That Optuna trials are to be told a verdict, once what comes before it is tracked.

    Attributes:
        epoch: to which a pruned one's value was seen
    """

    numbers: Sequence[int]
    verdict: _Verdict
    epoch: int


@dataclass
class _Candidate:
    """A configuration on its way through a study.

    Attributes:
        numbers: of the Optuna trials that proposed it; the first one's rungs count
        stages: the seeds that are to reach an epoch before anything is decided, in order
        queue: the seeds whose trials can be handed out now
        until: the epoch that the queue is for
        n_out: how many trials are under way
    """

    results: ConfigurationResults
    numbers: list[int]
    stages: deque[tuple[Sequence[int], int]]
    queue: deque[int] = field(default_factory=deque)
    until: int = 0
    n_out: int = 0

    @property
    def configuration(self) -> Configuration:
        return self.results.configuration


class Search:
    """Asks Optuna for configurations as long as workers would be idle, and tells it their means.

    MLflow is written first and Optuna's storage last: what Optuna was told is tracked.
    """

    def __init__(
        self,
        study: Study,
        plan: StudyPlan,
        seeds: Sequence[int],
        racing: bool,
        results: Results,
    ) -> None:
        self._study = study
        self._plan = plan
        self._seeds = seeds
        self._racing = racing
        self._results = results
        self._sign = METRICS[plan.metric].sign
        self._running: dict[str, _Candidate] = {}
        self._verdicts: dict[str, _Verdict] = {}
        self._learned: Mapping[str, Told] = {}
        self._numbers: dict[str, list[int]] = {}
        self._decisions: deque[Decision | _Told] = deque()
        self._last_asked = ""
        self._resumed = deque[Proposal]()

    @classmethod
    def resume(
        cls, study: Study, plan: StudyPlan, seeds: Sequence[int], racing: bool, results: Results
    ) -> Search:
        """A search that goes on from where an earlier sweep left it.

        Args:
            results: what earlier sweeps have found out of any configuration
        """
        search = cls(study, plan, seeds, racing, results)
        search._remember()
        search._resumed.extend(study.running())
        return search

    def _remember(self) -> None:
        """What the study was told before, of its own proposals and of what it learned from."""
        self._learned = self._study.learned()
        for told in self._study.told():
            try:
                configuration = self._plan.configuration(told.fields)
            except BadInput:  # it failed for just that
                continue
            if configuration.id in self._learned:
                continue
            self._verdicts[configuration.id] = _Verdict(told.state, told.value, told.reason)
            self._numbers.setdefault(configuration.id, []).append(told.number)
            if configuration.id not in self._results:
                self._results.ask_for(configuration, self._seeds)
            if told.state is not State.FINISHED:
                self._results.prune(configuration.id, told.reason)

    # --------------------------------------------------------------------- asking, telling

    def ask(self) -> Decision | None:
        """What is next of the oldest configuration that has something, or else of a new one."""
        while True:
            while self._decisions:
                decision = self._decisions.popleft()
                if isinstance(decision, _Told):
                    self._tell_study(decision)
                    continue
                if isinstance(decision, Prune):
                    self._results.prune(decision.configuration.id, decision.reason)
                return decision
            for candidate in self._running.values():
                if candidate.queue:
                    return self._advance(candidate)
            if self._resumed:
                self._take_up(self._resumed.popleft())
            elif self._study.n_proposed < self._plan.n_configurations:
                self._take_up(self._study.propose())
            else:
                return None

    def _advance(self, candidate: _Candidate) -> Advance:
        candidate.n_out += 1
        self._last_asked = candidate.configuration.id
        trial = Trial(configuration=candidate.configuration, seed=candidate.queue.popleft())
        return Advance(trial, candidate.until)

    def _tell_study(self, told: _Told) -> None:
        verdict = told.verdict
        for number in told.numbers:
            self._study.tell(number, verdict.state, verdict.value, verdict.reason, told.epoch)

    def tell(self, trial: Trial, outcome: TrialOutcome) -> None:
        """An advance has ended."""
        self._results.record(trial, outcome)
        candidate = self._running[trial.configuration.id]
        candidate.n_out -= 1
        if outcome.value(self._plan.metric) is None and outcome.state is not State.PRUNED:
            candidate.queue.clear()
        if not candidate.queue and not candidate.n_out:
            self._go_on(candidate)

    @property
    def n_left(self) -> int:
        n = self._plan.n_configurations - self._study.n_proposed + len(self._resumed)
        return n * len(self._seeds) + sum(len(c.results.left) for c in self._running.values())

    @property
    def left(self) -> Counter[str]:
        """Reckoned as if all were of the latest configuration."""
        return Counter({self._last_asked: self.n_left})

    # ------------------------------------------------------------------------- candidates

    def _take_up(self, proposal: Proposal) -> None:
        try:
            configuration = self._plan.configuration(proposal.fields)
        except BadInput as error:
            self._study.tell(proposal.number, State.FAILED, reason=str(error))
            return
        if (learned := self._learned.get(configuration.id)) is not None:
            # Its runs are those of the experiment that it was learned from: this one has none.
            self._study.tell(proposal.number, State.FINISHED, learned.value)
            return
        self._numbers.setdefault(configuration.id, []).append(proposal.number)
        verdict = self._verdicts.get(configuration.id)
        if verdict is not None:  # proposed again: what is trained is not trained again
            self._decisions.append(self._annotation(configuration, verdict))
            self._decisions.append(_Told([proposal.number], verdict, 0))
        elif configuration.id in self._running:
            self._running[configuration.id].numbers.append(proposal.number)
        else:
            self._begin(configuration, proposal.number)

    def _begin(self, configuration: Configuration, number: int) -> None:
        found = self._results.ask_for(configuration, self._seeds)
        stages = self._stages(configuration.epochs)
        if found.finished.keys() & set(self._seeds):
            # Of a trial that is finished only the end is known; what was decided on the way is
            # over.
            stages = [(seeds, until) for seeds, until in stages if until == configuration.epochs]
        candidate = _Candidate(found, [number], deque(stages))
        self._running[configuration.id] = candidate
        self._go_on(candidate)

    def _stages(self, epochs: int) -> list[tuple[Sequence[int], int]]:
        """Rung by rung with the first seeds; in a race, the others follow one by one."""
        first = self._seeds[:_FIRST_SEEDS] if self._racing else self._seeds
        stages = [(first, epoch) for epoch in [*rungs(self._plan.pruner, epochs), epochs]]
        return stages + [((seed,), epochs) for seed in self._seeds[len(first) :]]

    def _go_on(self, candidate: _Candidate) -> None:
        """Decide what can be decided, then put into the queue what has to be known next."""
        errors = self._errors(candidate)
        while candidate.stages and not errors:
            seeds, until = candidate.stages[0]
            verdict = self._study.answer(candidate.numbers[0], until)
            if verdict is None:
                reached = candidate.results.values(self._plan.metric, until)
                over = reached.keys() | candidate.results.stopped
                behind = [seed for seed in seeds if seed not in over]
                if behind:
                    candidate.until = until
                    candidate.queue.extend(behind)
                    return
            candidate.stages.popleft()
            reason = self._why_prune(candidate, until, verdict)
            if reason:
                self._end(candidate, State.PRUNED, reason)
                return
        if errors:
            self._end(candidate, State.FAILED, errors)
        elif candidate.results.stopped:  # a mean that lacks a seed by somebody's choice is no value
            self._end(candidate, State.PRUNED, STOPPED)
        else:
            self._end(candidate, State.FINISHED)

    def _errors(self, candidate: _Candidate) -> str:
        """Why the configuration fails; empty if no seed did."""
        errors = candidate.results.errors
        known = candidate.results.outcomes.keys() - candidate.results.stopped - errors.keys()
        for seed in set(self._seeds) & known:
            if candidate.results.outcomes[seed].value(self._plan.metric) is None:
                errors[seed] = f"its {self._plan.metric} is not finite"
        told = [f"seed {seed}: {error}"[:_ERROR] for seed, error in sorted(errors.items())]
        more = [f"and {len(told) - _ERRORS} more"] if len(told) > _ERRORS else []
        return "; ".join([*told[:_ERRORS], *more])

    def _why_prune(self, candidate: _Candidate, epoch: int, answer: bool | None) -> str:
        """Empty if the configuration goes on after having reached `epoch`."""
        epochs = candidate.configuration.epochs
        if epoch < epochs:
            if answer is None:
                values = candidate.results.values(self._plan.metric, epoch)
                if not values:  # all of its seeds were stopped
                    return ""
                mean = self._sign * float(np.mean(list(values.values())))
                answer = self._study.should_prune(candidate.numbers[0], epoch, mean)
            return f"stopped by {self._plan.pruner} after epoch {epoch}" if answer else ""
        if candidate.stages and self._has_lost(candidate):
            n_seeds = len(candidate.results.values(self._plan.metric, epochs))
            return why_lost(n_seeds, self._plan.metric)
        return ""

    def _has_lost(self, candidate: _Candidate) -> bool:
        """Whether it is worse than the best finished configuration, seed by seed."""
        mine = candidate.results.values(self._plan.metric, candidate.configuration.epochs)
        # Of its first seeds, some may have been stopped.
        return len(mine) >= _FIRST_SEEDS and lost_to_best(mine, self._finished())

    def _finished(self) -> list[Mapping[int, float]]:
        """Of the configurations that finished, the values by seed."""
        return [
            self._results[configuration_id].values(self._plan.metric)
            for configuration_id, verdict in self._verdicts.items()
            if verdict.state is State.FINISHED
        ]

    def _end(self, candidate: _Candidate, state: State, reason: str = "") -> None:
        configuration = candidate.configuration
        values = candidate.results.values(self._plan.metric)
        mean = self._sign * float(np.mean(list(values.values()))) if values else None
        verdict = _Verdict(state, mean if state is not State.FAILED else None, reason)
        self._decisions.append(self._annotation(configuration, verdict))
        if state is not State.FINISHED:
            seeds = tuple(candidate.results.not_over)
            self._decisions.append(Prune(configuration, seeds, reason))
        self._decisions.append(_Told(candidate.numbers, verdict, candidate.until))
        self._verdicts[configuration.id] = verdict
        del self._running[configuration.id]

    def _annotation(self, configuration: Configuration, verdict: _Verdict) -> Annotate:
        tags = {
            "optuna.study": self._study.name,
            **list_tags("optuna.trial", self._numbers[configuration.id]),
            "optuna.state": verdict.state,
        }
        if verdict.value is not None:
            tags["optuna.value"] = repr(verdict.value)
        return Annotate(configuration, tags)
