"""A study as a proposer: a configuration at a time through its rungs and its seeds."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from experiments.execution.messages import Notice, Task, TrialResult
from experiments.metrics import METRICS
from experiments.planning.plan import Plan, PlannedTrial
from experiments.planning.snapshot import FinishedSeeds
from experiments.proposers.optuna_study import Proposal, Study
from experiments.proposers.race import FIRST_SEEDS, lost
from experiments.proposers.racing_grid import value_of, why_lost
from experiments.spec.search_space import StudyPlan, rungs
from experiments.sweep.configuration_runs import ConfigurationRuns
from experiments.sweep.trial_runs import TrialRuns
from vae.configuration import Configuration, Trial
from vae.errors import BadInput

_RIVALS = 5
"""How many of the best configurations a race measures the noise on: bad ones are noisier."""


@dataclass(frozen=True)
class _Verdict:
    """What an Optuna trial is told: its state, the mean over the seeds, and why."""

    state: str
    value: float | None
    reason: str = ""


@dataclass
class _Candidate:
    """A configuration on its way through a study.

    Attributes:
        numbers: of the Optuna trials that proposed it; the first one's rungs count
        stages: the seeds that are to reach an epoch before anything is decided, in order
        reached: by seed, the last epoch it was advanced to and its value there, higher better
        queue: what can be handed out now
        until: the epoch that the queue is for
        n_out: how many tasks are under way
        failed: by seed, why it failed
    """

    configuration: Configuration
    numbers: list[int]
    trials: Mapping[int, PlannedTrial]
    stages: deque[tuple[Sequence[int], int]]
    reached: dict[int, tuple[int, float]] = field(default_factory=dict)
    queue: deque[PlannedTrial] = field(default_factory=deque)
    until: int = 0
    n_out: int = 0
    failed: dict[int, str] = field(default_factory=dict)

    @property
    def error(self) -> str:
        """Why the configuration fails; empty if no seed did."""
        return "; ".join(f"seed {seed}: {error}" for seed, error in sorted(self.failed.items()))

    def values(self, epoch: int) -> dict[int, float]:
        """By seed, the values of those that have reached `epoch`."""
        return {
            s: value for s, (reached, value) in sorted(self.reached.items()) if reached >= epoch
        }


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
        trial_runs: TrialRuns,
        configuration_runs: ConfigurationRuns,
        make_plan: Callable[[Iterable[Trial]], Plan],
        finished: Mapping[str, FinishedSeeds],
        say: Callable[[Notice], None],
    ) -> None:
        """Take up what an earlier sweep left.

        Args:
            make_plan: holds trials against what is tracked
            finished: of each configuration_id, the trials that earlier sweeps finished
        """
        self._study = study
        self._plan = plan
        self._seeds = seeds
        self._racing = racing
        self._trial_runs = trial_runs
        self._configuration_runs = configuration_runs
        self._make_plan = make_plan
        self._say = say
        self._sign = METRICS[plan.metric].sign
        self._running: dict[str, _Candidate] = {}
        self._verdicts: dict[str, _Verdict] = {}
        self._numbers: dict[str, list[int]] = {}
        self._complete: dict[str, Mapping[int, float]] = {}
        self._last_asked = ""
        self._remember(finished)
        for proposal in study.running():
            self._take_up(proposal)

    def _remember(self, finished: Mapping[str, FinishedSeeds]) -> None:
        """What the study was told before."""
        for told in self._study.told():
            try:
                configuration_id = self._plan.configuration(told.fields).id
            except BadInput:  # it failed for just that
                continue
            self._verdicts[configuration_id] = _Verdict(told.state, told.value, told.reason)
            self._numbers.setdefault(configuration_id, []).append(told.number)
            if told.state == "complete":
                self._complete[configuration_id] = {
                    seed: self._sign * metrics[self._plan.metric]
                    for seed, (_, metrics) in finished.get(configuration_id, {}).items()
                }

    # --------------------------------------------------------------------- asking, telling

    def ask(self) -> Task | None:
        """The next piece of the oldest configuration that has one, or else of a new one."""
        while True:
            for candidate in self._running.values():
                if candidate.queue:
                    candidate.n_out += 1
                    self._last_asked = candidate.configuration.id
                    return self._trial_runs.open(candidate.queue.popleft(), candidate.until)
            if self._study.n_proposed >= self._plan.n_configurations:
                return None
            self._take_up(self._study.propose())

    def tell(self, result: TrialResult) -> TrialResult:
        """Take note of an advance or of a trial's end; returns what really became of it."""
        trial = result.task.trial
        candidate = self._running[trial.configuration.id]
        candidate.n_out -= 1
        if result.state != "advanced":
            result = self._trial_runs.close(result)
        value = value_of(result, self._plan.metric)
        if value is None:
            candidate.failed[trial.seed] = result.error
            candidate.queue.clear()
        else:
            candidate.reached[trial.seed] = (result.task.until, value)
        if not candidate.queue and not candidate.n_out:
            self._go_on(candidate)
        return result

    @property
    def left(self) -> Counter[str]:
        """How many trials may still be asked for, reckoned as if of the latest configuration."""
        n_seeds = len(self._seeds)
        n = (self._plan.n_configurations - self._study.n_proposed) * n_seeds
        for candidate in self._running.values():
            n += n_seeds - len(candidate.values(candidate.configuration.epochs))
        return Counter({self._last_asked: n})

    # ------------------------------------------------------------------------- candidates

    def _take_up(self, proposal: Proposal) -> None:
        try:
            configuration = self._plan.configuration(proposal.fields)
        except BadInput as error:
            self._study.tell(proposal.number, "failed", reason=str(error))
            return
        self._numbers.setdefault(configuration.id, []).append(proposal.number)
        verdict = self._verdicts.get(configuration.id)
        if verdict is not None:  # proposed again: what is trained is not trained again
            self._annotate(configuration.id, verdict)
            self._study.tell(proposal.number, verdict.state, verdict.value, verdict.reason)
        elif configuration.id in self._running:
            self._running[configuration.id].numbers.append(proposal.number)
        else:
            self._begin(configuration, proposal.number)

    def _begin(self, configuration: Configuration, number: int) -> None:
        plan = self._make_plan(Trial(configuration=configuration, seed=s) for s in self._seeds)
        self._configuration_runs.open(configuration, plan.trials)
        trials = {planned.trial.seed: planned for planned in plan.trials}
        stages = self._stages(configuration.epochs)
        if any(planned.state == "done" for planned in plan.trials):
            # Of a trial that is done only the end is known; what was decided on the way is over.
            stages = [(seeds, until) for seeds, until in stages if until == configuration.epochs]
        candidate = _Candidate(configuration, [number], trials, deque(stages))
        for seed, planned in candidate.trials.items():
            if planned.state == "done" and planned.record:
                value = self._sign * planned.record.metrics[self._plan.metric]
                candidate.reached[seed] = (configuration.epochs, value)
            elif not planned.todo:
                candidate.failed[seed] = (
                    planned.record.tags.get("error", "") if planned.record else ""
                )
        self._running[configuration.id] = candidate
        self._go_on(candidate)

    def _stages(self, epochs: int) -> list[tuple[Sequence[int], int]]:
        """Rung by rung with the first seeds; in a race, the others follow one by one."""
        first = self._seeds[:FIRST_SEEDS] if self._racing else self._seeds
        stages = [(first, epoch) for epoch in [*rungs(self._plan.pruner, epochs), epochs]]
        return stages + [((seed,), epochs) for seed in self._seeds[len(first) :]]

    def _go_on(self, candidate: _Candidate) -> None:
        """Decide what can be decided, then put into the queue what has to be known next."""
        while candidate.stages and not candidate.failed:
            seeds, until = candidate.stages[0]
            verdict = self._study.answer(candidate.numbers[0], until)
            if verdict is None:
                behind = [s for s in seeds if candidate.reached.get(s, (0, 0.0))[0] < until]
                if behind:
                    candidate.until = until
                    candidate.queue.extend(candidate.trials[seed] for seed in behind)
                    return
            candidate.stages.popleft()
            reason = self._why_prune(candidate, until, verdict)
            if reason:
                self._end(candidate, "pruned", reason)
                return
        if candidate.failed:
            self._end(candidate, "failed", candidate.error)
        else:
            self._end(candidate, "complete")

    def _why_prune(self, candidate: _Candidate, epoch: int, answer: bool | None) -> str:
        """Empty if the configuration goes on after having reached `epoch`."""
        epochs = candidate.configuration.epochs
        if epoch < epochs:
            if answer is None:
                mean = self._sign * float(np.mean(list(candidate.values(epoch).values())))
                answer = self._study.should_prune(candidate.numbers[0], epoch, mean)
            return f"stopped by {self._plan.pruner} after epoch {epoch}" if answer else ""
        if candidate.stages and self._has_lost(candidate):
            return why_lost(len(candidate.values(epochs)), self._plan.metric)
        return ""

    def _has_lost(self, candidate: _Candidate) -> bool:
        """Whether it is worse than the best complete configuration, seed by seed."""
        mine = candidate.values(candidate.configuration.epochs)
        rivals = [r for r in self._complete.values() if all(seed in r for seed in mine)]
        rivals.sort(key=lambda values: -float(np.mean(list(values.values()))))
        if not rivals or len(mine) < FIRST_SEEDS:
            return False
        table = [[rival[seed] for seed in mine] for rival in rivals[:_RIVALS]]
        n_looks = max(1, len(self._seeds) - FIRST_SEEDS)
        return bool(lost(np.array([*table, list(mine.values())]), n_looks)[-1])

    def _end(self, candidate: _Candidate, state: str, reason: str = "") -> None:
        configuration = candidate.configuration
        epochs = configuration.epochs
        values = candidate.values(0)
        mean = self._sign * float(np.mean(list(values.values()))) if values else None
        verdict = _Verdict(state, mean if state != "failed" else None, reason)
        self._annotate(configuration.id, verdict)
        if state == "complete":
            self._complete[configuration.id] = values
        else:
            over = candidate.values(epochs)
            known = over.keys() | candidate.failed.keys()
            rest = [p for seed, p in candidate.trials.items() if p.todo and seed not in known]
            self._trial_runs.prune(configuration.id, rest, reason)
            self._say(Notice(f"configuration {configuration.id}", f"{state}: {reason}"))
        for number in candidate.numbers:
            self._study.tell(number, state, verdict.value, reason, candidate.until)
        self._verdicts[configuration.id] = verdict
        del self._running[configuration.id]

    def _annotate(self, configuration_id: str, verdict: _Verdict) -> None:
        tags = {
            "optuna.study": self._study.name,
            "optuna.trial": json.dumps(self._numbers[configuration_id]),
            "optuna.state": verdict.state,
        }
        if verdict.value is not None:
            tags["optuna.value"] = repr(verdict.value)
        self._configuration_runs.annotate(configuration_id, tags)
