"""Optuna, which proposes configurations and says which are not worth their epochs.

The only module that imports it. A study is kept in Optuna's storage, and everything that is
decided is written there before it is acted upon: a study that is killed goes on as if it had not
been. A sampler's random numbers come from the study and the number of the Optuna trial, not from
what the sampler did before; so a seeded study that is interrupted proposes what it would have.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)
from optuna.study import Study as OptunaStudy
from optuna.trial import FrozenTrial, TrialState

from experiments.metrics import METRICS
from experiments.proposers.optuna_internals import live_trial, without_last_mark
from experiments.proposers.optuna_storage import open_storage
from experiments.secrets import mask
from experiments.spec.search_space import REDUCTION, Choices, Range, StudyPlan
from experiments.tracking.run_record import OVER, State
from experiments.tracking.study_summary import StudySummary
from vae.components.signatures import with_tuples
from vae.errors import BadInput

optuna.logging.set_verbosity(optuna.logging.WARNING)
logging.getLogger("alembic").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

_STATES = {
    State.FINISHED: TrialState.COMPLETE,
    State.PRUNED: TrialState.PRUNED,
    State.FAILED: TrialState.FAIL,
    State.RUNNING: TrialState.RUNNING,
    State.MISSING: TrialState.WAITING,
}


def optuna_state(state: State) -> TrialState:
    """Optuna's state of a configuration in that state."""
    return _STATES[state]


_OVER = {optuna_state(state): state for state in OVER}


@dataclass(frozen=True)
class Proposal:
    """An Optuna trial: the configuration fields that it sets."""

    number: int
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Told:
    """An Optuna trial that is over.

    Attributes:
        state: finished, pruned or failed
        value: of a pruned one, the last that was reported; None where there is none
    """

    number: int
    fields: Mapping[str, Any]
    state: State
    value: float | None
    reason: str


class Study:
    """An Optuna study, told and asked by one parent process."""

    def __init__(self, name: str, plan: StudyPlan, storage: str | None = None) -> None:
        """Open the study, or make it.

        Args:
            storage: an address of Optuna's; by default it is kept in memory only

        Raises:
            BadInput: when the storage cannot be opened.
        """
        self.name = name
        self._plan = plan
        self._pruner = _pruner(plan.pruner, plan.most_epochs)
        try:
            self._storage = open_storage(storage)
            self._study = self._open(name, self._storage)
        except Exception as error:  # SQLAlchemy's, of whatever kind the database raises
            reason = mask(str(error).splitlines()[0])
            raise BadInput(f"--optuna-storage {mask(storage or '')}: {reason}") from error

    def _open(self, name: str, storage: optuna.storages.BaseStorage) -> OptunaStudy:
        return optuna.create_study(
            study_name=name,
            storage=storage,
            direction="minimize" if METRICS[self._plan.metric].lower_is_better else "maximize",
            pruner=self._pruner,
            sampler=RandomSampler(),  # takes another for every proposal
            load_if_exists=True,
        )

    # ------------------------------------------------------------------------- proposing

    @property
    def n_proposed(self) -> int:
        return len(self._study.get_trials(deepcopy=False))

    def running(self) -> list[Proposal]:
        """What was proposed and not told yet, oldest first."""
        states = (TrialState.RUNNING,)
        return [self._proposal(t.number) for t in self._study.get_trials(False, states)]

    def propose(self) -> Proposal:
        """The next configuration to try."""
        number = self.n_proposed
        self._study.sampler = _sampler(self._plan.sampler, self.name, number)
        return self._suggest(self._study.ask())

    def _proposal(self, number: int) -> Proposal:
        """Of a trial that was asked for earlier; a kill may have come before all was drawn."""
        self._study.sampler = _sampler(self._plan.sampler, self.name, number)
        return self._suggest(live_trial(self._study, self._storage, number))

    def _suggest(self, trial: optuna.trial.Trial) -> Proposal:
        fields: dict[str, Any] = {}
        for name, values in self._plan.space.items():
            if self._plan.asks_for(name, fields):
                fields[name] = _draw(trial, name, values)
        return Proposal(trial.number, fields)

    def _frozen(self, number: int) -> FrozenTrial:
        return self._study.get_trials(deepcopy=False)[number]

    # --------------------------------------------------------------------------- telling

    def should_prune(self, number: int, epoch: int, value: float) -> bool:
        """Report the mean over the seeds at a rung; asked again, the answer is the same."""
        answer = self.answer(number, epoch)
        if answer is not None:
            return answer
        frozen = self._frozen(number)
        trial = live_trial(self._study, self._storage, number)
        reported_before = epoch in frozen.intermediate_values
        if not reported_before:
            trial.report(value, epoch)
        prune = bool(trial.should_prune())  # the median pruner's is NumPy's
        if reported_before and not prune:  # a kill came before the answer was written down
            prune = self._would_have_been_pruned(number)
        answer = bool(prune)  # the median pruner's is NumPy's, and no JSON
        trial.set_user_attr(f"rung {epoch}", answer)
        return answer

    def _would_have_been_pruned(self, number: int) -> bool:
        """Successive halving marks a trial when it looks at it, and looks at each rung once: look
        again at a copy that is not marked.
        """
        storage = optuna.storages.InMemoryStorage()
        copy = self._open(self.name, storage)
        for frozen in self._study.get_trials():
            copy.add_trial(without_last_mark(frozen) if frozen.number == number else frozen)
        return live_trial(copy, storage, number).should_prune()

    def answer(self, number: int, epoch: int) -> bool | None:
        """What `should_prune` has answered at a rung; None if it has not."""
        answer: bool | None = self._frozen(number).user_attrs.get(f"rung {epoch}")
        return answer

    def tell(
        self,
        number: int,
        state: State,
        value: float | None = None,
        reason: str = "",
        epoch: int = 0,
    ) -> None:
        """The end of an Optuna trial; the last thing that is written of it.

        Args:
            state: finished, pruned or failed
            value: the mean over the seeds; of a pruned one, over what was seen of them
            epoch: to which that was
        """
        frozen = self._frozen(number)
        trial = live_trial(self._study, self._storage, number)
        if reason:
            trial.set_user_attr("reason", reason)
        reported = epoch in frozen.intermediate_values
        if state is State.PRUNED and value is not None and not reported:
            trial.report(value, epoch)
        told = value if state is State.FINISHED else None
        self._study.tell(number, values=told, state=optuna_state(state))

    def told(self) -> list[Told]:
        """Every Optuna trial that is over."""
        return [
            Told(
                trial.number,
                _fields(trial),
                _OVER[trial.state],
                _last_value(trial),
                trial.user_attrs.get("reason", ""),
            )
            for trial in self._study.get_trials(deepcopy=False)
            if trial.state in _OVER
        ]

    # ------------------------------------------------------------------------ looking back

    def study_summary(self) -> StudySummary:
        """The best configuration so far and what mattered."""
        trials = self._study.get_trials(deepcopy=False)
        counts = {
            over.value: sum(t.state == state for t in trials) for state, over in _OVER.items()
        }
        finished = [trial for trial in trials if trial.state == TrialState.COMPLETE]
        best = self._study.best_trial if finished else None
        return StudySummary(
            study=self.name,
            metric=self._plan.metric,
            counts=counts,
            best_number=best.number if best else None,
            best_fields=_fields(best) if best else {},
            best_value=float(best.value or 0.0) if best else math.nan,
            importances=self._importances(finished),
        )

    def _importances(self, finished: list[FrozenTrial]) -> dict[str, float]:
        if len(finished) < 4 or len({trial.value for trial in finished}) == 1:
            return {}
        from optuna.importance import FanovaImportanceEvaluator, get_param_importances

        evaluator = FanovaImportanceEvaluator(seed=0)
        importances = get_param_importances(self._study, evaluator=evaluator)
        return {name: value for name, value in importances.items() if math.isfinite(value)}


def _last_value(trial: FrozenTrial) -> float | None:
    if trial.state == TrialState.PRUNED and trial.intermediate_values:
        return trial.intermediate_values[max(trial.intermediate_values)]
    return trial.value if trial.state == TrialState.COMPLETE else None


def _fields(trial: FrozenTrial) -> dict[str, Any]:
    """What a trial sets, as `_draw` gave it."""
    return {
        name: with_tuples(json.loads(value.removeprefix(_LIST))) if _is_list(value) else value
        for name, value in trial.params.items()
    }


_LIST = "list "
"""Before a list of values, which Optuna keeps as a text only."""


def _is_list(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(_LIST)


def _draw(trial: optuna.trial.Trial, name: str, values: Range | Choices) -> Any:
    if not isinstance(values, Range):
        by_text = {_LIST + json.dumps(v) if isinstance(v, tuple) else v: v for v in values}
        return by_text[trial.suggest_categorical(name, tuple(by_text))]
    low, high, log, step = values.low, values.high, values.log, values.step
    if isinstance(low, int):
        return trial.suggest_int(name, low, int(high), log=log, step=int(step or 1))
    return trial.suggest_float(name, low, high, log=log, step=step)


def _sampler(kind: str, study: str, number: int) -> BaseSampler:
    """A new one for every proposal; what it knows, it reads from the study."""
    digest = hashlib.sha256(f"{study} {number}".encode()).digest()
    seed = int.from_bytes(digest[:4], "big") % (2**31)
    of_study = int.from_bytes(hashlib.sha256(study.encode()).digest()[:4], "big") % (2**31)
    independent = RandomSampler(seed)
    if kind == "tpe":
        return TPESampler(seed=seed, multivariate=True, constant_liar=True)
    if kind == "gp":
        return GPSampler(seed=seed, independent_sampler=independent)
    if kind == "cmaes":
        return CmaEsSampler(
            seed=seed, independent_sampler=independent, warn_independent_sampling=False
        )
    if kind == "qmc":  # one sequence for the study; where in it is kept in the storage
        return QMCSampler(
            scramble=True,
            seed=of_study,
            independent_sampler=independent,
            warn_independent_sampling=False,
        )
    return independent


def _pruner(kind: str, epochs: int) -> BasePruner:
    if kind == "hyperband":
        return HyperbandPruner(1, epochs, REDUCTION)
    if kind == "median":
        return MedianPruner()
    return NopPruner()
