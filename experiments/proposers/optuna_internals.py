"""What Optuna keeps to itself and a study that is resumed needs; the only place that knows it.

`tests/proposers/test_optuna_internals.py` tells when a new Optuna has changed it.
"""

from __future__ import annotations

from optuna.storages import BaseStorage
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial

CALLED_BY_THE_CACHE = (
    "_create_new_trial", "_get_best_trial_id", "_get_stale_trial_ids", "_get_trials",
    "_set_trial_param",
)  # fmt: skip
"""What Optuna's cache calls of the storage behind it, besides public methods."""

_MARK = "completed_rung_"


def live_trial(study: Study, storage: BaseStorage, number: int) -> Trial:
    """The trial of that number, to be gone on with: `Study.ask` gives new ones alone."""
    study_id = storage.get_study_id_from_name(study.study_name)
    return Trial(study, storage.get_trial_id_from_study_id_trial_number(study_id, number))


def without_last_mark(trial: FrozenTrial) -> FrozenTrial:
    """A trial as it was before successive halving looked at it last, which it does once a rung.

    Without such marks it is as it was: then the pruner keeps none.
    """
    marks = [key for key in trial.system_attrs if key.startswith(_MARK)]
    if marks:
        del trial.system_attrs[max(marks, key=lambda key: int(key.removeprefix(_MARK)))]
    return trial
