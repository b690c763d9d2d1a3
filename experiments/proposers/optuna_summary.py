"""How far an Optuna study has come."""

from __future__ import annotations

import math
from collections import Counter

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from experiments.proposers.optuna_trials import OVER_STATES, is_proposed, source_of
from experiments.proposers.optuna_values import fields_of
from experiments.tracking.study_summary import StudySummary


def summarize_study(study: Study, metric: str) -> StudySummary:
    """The best configuration so far and what mattered.

    Args:
        metric: of the trials, what is optimised
    """
    trials = study.get_trials(deepcopy=False)
    states = Counter(trial.state for trial in trials if is_proposed(trial))
    finished = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    best = study.best_trial if finished else None
    return StudySummary(
        study=study.study_name,
        metric=metric,
        counts={over.value: states[state] for state, over in OVER_STATES.items()},
        best_number=best.number if best else None,
        best_fields=fields_of(best) if best else {},
        best_value=float(best.value or 0.0) if best else math.nan,
        importances=_importances(study, finished),
        n_learned=sum(source_of(trial) != "" for trial in finished),
        best_from=source_of(best) if best else "",
    )


def _importances(study: Study, finished: list[FrozenTrial]) -> dict[str, float]:
    if len(finished) < 4 or len({trial.value for trial in finished}) == 1:
        return {}
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    evaluator = FanovaImportanceEvaluator(seed=0)
    importances = get_param_importances(study, evaluator=evaluator)
    return {name: value for name, value in importances.items() if math.isfinite(value)}
