"""A study's two stores, Optuna's and MLflow's, when a sweep starts: what the one lacks that the
other has, and what is learned from earlier experiments.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments.formatting import count
from experiments.planning.lessons import Lessons, find_lessons
from experiments.planning.results import Outcomes
from experiments.secrets import mask
from experiments.spec.experiment import Experiment
from experiments.spec.search_space import StudyPlan
from experiments.tracking.reachable import has_studies
from experiments.tracking.run_record import RunRecord, State
from vae.configuration import NUMBERS_VERSION
from vae.errors import BadInput, at

if TYPE_CHECKING:
    from experiments.proposers.optuna_study import Study

_MOST_NUMBERS = 8
"""Of Optuna trials that a line names."""


def find_study(experiment: Experiment, plan: StudyPlan, storage: str) -> Study | None:
    """As earlier sweeps have left it; writes nothing."""
    if not has_studies(storage):  # opening it would make the tables
        return None
    from experiments.proposers.optuna_study import Study  # Optuna takes its time to import

    return Study.find(experiment.study_name, plan, storage)


def read_lessons(
    experiment: Experiment, plan: StudyPlan, tracking_uri: str, learned: Collection[str]
) -> Iterator[Lessons]:
    """What there is to learn from the experiments of `learn_from`, but for those in `learned`.

    Raises:
        BadInput: for one that is not tracked.
    """
    for name in plan.learn_from:
        if name in learned:
            continue
        from experiments.analysis.naming import not_tracked
        from experiments.tracking.reader import Reader  # MLflow takes its time to import

        with at("study.learn_from"):
            tracker = Reader.find(tracking_uri, name)
            if tracker is None:
                raise not_tracked(name, tracking_uri)
        configuration_runs, trial_runs = tracker.records("configuration"), tracker.records("trial")
        yield find_lessons(name, plan, experiment.seeds, configuration_runs, trial_runs)


def lessons_left(
    experiment: Experiment, plan: StudyPlan, tracking_uri: str, storage: str
) -> list[Lessons]:
    """What the study has not learned yet; raises BadInput as `read_lessons`, and writes nothing."""
    if not plan.learn_from:
        return []
    study = find_study(experiment, plan, storage)
    return list(read_lessons(experiment, plan, tracking_uri, study.learned_from if study else {}))


def open_study(
    experiment: Experiment, plan: StudyPlan, storage: str, lessons: Sequence[Lessons]
) -> Study:
    """The study, made if need be, that has learned what there is to learn."""
    from experiments.proposers.optuna_study import Study  # Optuna takes its time to import

    study = Study(experiment.study_name, plan, storage)
    for one in lessons:
        study.learn(one)
    return study


@dataclass(frozen=True)
class StoreCheck:
    """What came of holding the two stores against each other.

    Attributes:
        not_tracked: the numbers of the Optuna trials that were told and lack runs in MLflow
        remarks: a line for everything that one store lacks
    """

    not_tracked: Sequence[int]
    remarks: Sequence[str]


def check_stores(
    experiment: Experiment,
    plan: StudyPlan,
    study: Study | None,
    storage: str,
    configuration_runs: Mapping[str, RunRecord],
    outcomes: Mapping[str, Outcomes],
) -> StoreCheck:
    """Hold a study against what is tracked of it.

    Args:
        study: None if Optuna's storage has none
        configuration_runs: the run of each configuration_id
        outcomes: of the trials of each configuration_id
    """
    name, place = experiment.study_name, mask(storage)
    not_tracked: list[int] = []
    if study is not None:
        seeds = set(experiment.seeds)
        not_tracked = list(_not_tracked(plan, study, seeds, configuration_runs, outcomes))
    remarks = []
    if not_tracked:
        remarks.append(_say_not_tracked(not_tracked, name, place))
    known = study.configuration_ids() if study else set()
    of_study = {c for c, r in configuration_runs.items() if r.tags.get("optuna.study") == name}
    if n_unknown := len(of_study - known):
        remarks.append(_say_unknown(n_unknown, place, experiment.name))
    older = [r for r in configuration_runs.values() if _is_of_other_numbers(r)]
    if older and not known:
        remarks.append(
            f"what was tried under another NUMBERS_VERSION than {NUMBERS_VERSION} "
            f"({count(len(older), 'configuration')}) stays as it is, and counts no more: the study "
            f"begins anew"
        )
    return StoreCheck(not_tracked, remarks)


def _is_of_other_numbers(record: RunRecord) -> bool:
    of_a_study = "optuna.study" in record.tags
    return of_a_study and record.tags.get("numbers_version", "1") != str(NUMBERS_VERSION)


def _not_tracked(
    plan: StudyPlan,
    study: Study,
    seeds: set[int],
    configuration_runs: Mapping[str, RunRecord],
    outcomes: Mapping[str, Outcomes],
) -> Iterator[int]:
    learned = study.learned()
    for told in study.told():
        try:
            configuration_id = plan.configuration(told.fields).id
        except BadInput:  # it failed for just that, and had no run
            continue
        if configuration_id in learned:  # and is tracked there
            continue
        by_seed = outcomes.get(configuration_id, {})
        finished = {seed for seed, o in by_seed.items() if o.state is State.FINISHED}
        lacks_seeds = told.state is State.FINISHED and not seeds <= finished
        if configuration_id not in configuration_runs or lacks_seeds:
            yield told.number


def _say_not_tracked(numbers: Sequence[int], study: str, storage: str) -> str:
    more = ", …" if len(numbers) > _MOST_NUMBERS else ""
    named = ", ".join(map(str, numbers[:_MOST_NUMBERS])) + more
    trials = "trial" if len(numbers) == 1 else "trials"
    return (
        f"runs of {count(len(numbers), 'configuration')} of this study (Optuna {trials} {named}) "
        f"are missing in MLflow: restore them there, or have the study begin anew, which trains "
        f'what is missing: optuna delete-study --study-name "{study}" --storage "{storage}"'
    )


def _say_unknown(n: int, storage: str, experiment: str) -> str:
    return (
        f"{count(n, 'configuration')} of this study in MLflow, of which Optuna's storage {storage} "
        f"knows nothing: bring it back, or name it with --optuna-storage; without it, "
        f"`learn_from: [{experiment}]` tells the sampler of them, and what is finished is not "
        f"trained again"
    )
