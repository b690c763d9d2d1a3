"""Optuna's trials as a study reads them: what it proposed, and what it learned from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from experiments.proposers.optuna_values import fields_of
from experiments.tracking.run_record import OVER, State

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


OVER_STATES = {optuna_state(state): state for state in OVER}

SOURCE, LEARNED_ID = "learned_from", "configuration_id"
"""Attributes of what was learned from elsewhere: the experiment, and the configuration_id."""


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


def is_proposed(trial: FrozenTrial) -> bool:
    """Not if it was learned from elsewhere, or is only waiting to be proposed."""
    return trial.state != TrialState.WAITING and not source_of(trial)


def source_of(trial: FrozenTrial) -> str:
    """The experiment that a trial was learned from; empty for one of the study's own."""
    return str(trial.user_attrs.get(SOURCE, ""))


def told_of(trial: FrozenTrial) -> Told:
    """Of a trial that is over."""
    reason = str(trial.user_attrs.get("reason", ""))
    state = OVER_STATES[trial.state]
    return Told(trial.number, fields_of(trial), state, _last_value(trial), reason)


def _last_value(trial: FrozenTrial) -> float | None:
    if trial.state == TrialState.PRUNED and trial.intermediate_values:
        return trial.intermediate_values[max(trial.intermediate_values)]
    return trial.value if trial.state == TrialState.COMPLETE else None
