"""Optuna, which proposes configurations and says which are not worth their epochs.

Only `optuna_*.py` import it. A study is kept in Optuna's storage, and everything that is
decided is written there before it is acted upon: a study that is killed goes on as if it had not
been. A sampler's random numbers come from the study and the number of the Optuna trial, not from
what the sampler did before; so a seeded study that is interrupted proposes what it would have.
"""

from __future__ import annotations

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import optuna
from optuna.samplers import RandomSampler
from optuna.study import Study as OptunaStudy
from optuna.trial import FrozenTrial, TrialState

from experiments.metrics import METRICS
from experiments.planning.lessons import Lesson, Lessons, describe_lessons
from experiments.proposers.optuna_internals import live_trial, without_last_mark
from experiments.proposers.optuna_samplers import make_pruner, make_sampler
from experiments.proposers.optuna_storage import open_storage
from experiments.proposers.optuna_summary import summarize_study
from experiments.proposers.optuna_trials import (
    LEARNED_ID,
    OVER_STATES,
    SOURCE,
    Proposal,
    Told,
    is_proposed,
    optuna_state,
    source_of,
    told_of,
)
from experiments.proposers.optuna_values import distributions, draw, fields_of, params_of
from experiments.secrets import mask
from experiments.spec.search_space import StudyPlan
from experiments.tracking.run_record import State
from experiments.tracking.study_summary import StudySummary
from vae.errors import BadInput

optuna.logging.set_verbosity(optuna.logging.WARNING)
logging.getLogger("alembic").setLevel(logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

_FIRST = "first"
"""A trial's attribute: which of the plan's first ones it is of, if it is."""

_LEARNED_FROM = "learned from "
"""A study's attribute, followed by the experiment: that all there was has been taken."""


@contextlib.contextmanager
def _named(storage: str | None) -> Iterator[None]:
    """Say of which storage something is that went wrong."""
    try:
        yield
    except Exception as error:  # SQLAlchemy's, of whatever kind the database raises
        shown = mask(storage or "")
        # It says `$STORAGE_URL` where it wants to be upgraded.
        reason = mask(str(error).splitlines()[0]).replace("$STORAGE_URL", shown)
        raise BadInput(f"--optuna-storage {shown}: {reason}") from error


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
        self._pruner = make_pruner(plan.pruner, plan.most_epochs)
        with _named(storage):
            self._storage = open_storage(storage)
            self._study = self._open(name, self._storage)

    @classmethod
    def find(cls, name: str, plan: StudyPlan, storage: str) -> Study | None:
        """The study, if the storage has it, which should be there: it would be made."""
        with _named(storage):
            names = optuna.get_all_study_names(open_storage(storage))
        return cls(name, plan, storage) if name in names else None

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
        return sum(is_proposed(t) for t in self._study.get_trials(deepcopy=False))

    def running(self) -> list[Proposal]:
        """What was proposed and not told yet, oldest first."""
        states = (TrialState.RUNNING,)
        return [self._proposal(t.number) for t in self._study.get_trials(False, states)]

    def propose(self) -> Proposal:
        """The next configuration to try: of the plan's first ones, one that has not been."""
        number = self._queue_first()
        self._study.sampler = make_sampler(self._plan.sampler, self.name, number)
        return self._suggest(self._study.ask())

    def _queue_first(self) -> int:
        """The number of the next proposal, for which Optuna is given what is to be tried first.

        A kill between this and the asking leaves it waiting; it is what is asked for then.
        """
        trials = self._study.get_trials(deepcopy=False)
        waiting = [trial.number for trial in trials if trial.state == TrialState.WAITING]
        if waiting:
            return waiting[0]
        queued = {trial.user_attrs.get(_FIRST) for trial in trials}
        for fields in self._plan.first:
            mark = json.dumps(fields, sort_keys=True)
            if mark not in queued:
                self._study.enqueue_trial(params_of(fields), user_attrs={_FIRST: mark})
                break
        return len(trials)

    def _proposal(self, number: int) -> Proposal:
        """Of a trial that was asked for earlier; a kill may have come before all was drawn."""
        self._study.sampler = make_sampler(self._plan.sampler, self.name, number)
        return self._suggest(live_trial(self._study, self._storage, number))

    def _suggest(self, trial: optuna.trial.Trial) -> Proposal:
        fields: dict[str, Any] = {}
        for name, values in self._plan.space.items():
            if self._plan.asks_for(name, fields):
                fields[name] = draw(trial, name, values)
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
        """Every proposal that is over."""
        trials = self._study.get_trials(deepcopy=False)
        return [told_of(t) for t in trials if t.state in OVER_STATES and is_proposed(t)]

    # -------------------------------------------------------------------------- learning

    def learn(self, lessons: Lessons) -> None:
        """Tell the sampler of what was tracked elsewhere; only once of each experiment.

        A kill in between leaves a part of it, to which the rest is added.
        """
        if lessons.experiment in self.learned_from:
            return
        trials = self._study.get_trials(deepcopy=False)
        there = {t.user_attrs[LEARNED_ID] for t in trials if source_of(t) == lessons.experiment}
        elsewhere = {
            self._configuration_id(t) for t in trials if source_of(t) != lessons.experiment
        }
        taken = [one for one in lessons.taken if one.configuration_id not in elsewhere]
        for lesson in taken:
            if lesson.configuration_id not in there:
                self._study.add_trial(self._as_trial(lesson, lessons.experiment))
        left_out = dict(lessons.left_out)
        if n_known := len(lessons.taken) - len(taken):
            left_out["known already"] = n_known
        found = {"taken": len(taken), "left_out": left_out}
        self._study.set_user_attr(_LEARNED_FROM + lessons.experiment, found)

    def _as_trial(self, lesson: Lesson, experiment: str) -> FrozenTrial:
        return optuna.trial.create_trial(
            params=params_of(lesson.fields),
            distributions=distributions(self._plan.space, lesson.fields),
            value=float(np.mean(lesson.values)),
            user_attrs={SOURCE: experiment, LEARNED_ID: lesson.configuration_id},
        )

    def configuration_ids(self) -> set[str]:
        """Of everything that was proposed or learned, as far as it was drawn."""
        return {self._configuration_id(t) for t in self._study.get_trials(deepcopy=False)}

    def _configuration_id(self, trial: FrozenTrial) -> str:
        if LEARNED_ID in trial.user_attrs:
            return str(trial.user_attrs[LEARNED_ID])
        try:
            return self._plan.configuration(fields_of(trial)).id
        except BadInput:  # it failed for just that
            return ""

    @property
    def learned_from(self) -> dict[str, str]:
        """By experiment, what came of it, for people."""
        attributes = self._study.user_attrs.items()
        found = {
            key.removeprefix(_LEARNED_FROM): value
            for key, value in attributes
            if key.startswith(_LEARNED_FROM)
        }
        return {e: describe_lessons(e, f["taken"], f["left_out"]) for e, f in found.items()}

    def learned(self) -> dict[str, Told]:
        """What was learned from elsewhere, by configuration_id."""
        trials = self._study.get_trials(deepcopy=False)
        return {
            t.user_attrs[LEARNED_ID]: told_of(t)
            for t in trials
            if not is_proposed(t) and source_of(t)
        }

    # ------------------------------------------------------------------------ looking back

    def study_summary(self) -> StudySummary:
        """The best configuration so far and what mattered."""
        return summarize_study(self._study, self._plan.metric)
