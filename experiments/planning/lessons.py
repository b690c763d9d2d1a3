"""What a study can learn from earlier experiments: tracked configurations that lie in its space."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.planning.results import Outcomes
from experiments.planning.snapshot import outcomes_of
from experiments.spec.search_space import StudyPlan
from experiments.tracking.run_record import RunRecord, State, by_trial
from vae.components.signatures import with_tuples
from vae.configuration import FIELDS_ADDED_LATER, NUMBERS_VERSION, Configuration, as_written_today
from vae.errors import BadInput


@dataclass(frozen=True)
class Lesson:
    """A configuration that fits a study.

    Attributes:
        fields: what the study searches of it
        values: the metric, in the order of the study's seeds
    """

    configuration_id: str
    fields: Mapping[str, Any]
    values: Sequence[float]


@dataclass(frozen=True)
class Lessons:
    """What one experiment has for a study.

    Attributes:
        left_out: how many configurations do not fit, by why
    """

    experiment: str
    taken: Sequence[Lesson]
    left_out: Mapping[str, int]


def find_lessons(
    experiment: str,
    plan: StudyPlan,
    seeds: Iterable[int],
    configuration_runs: Iterable[RunRecord],
    trial_runs: Iterable[RunRecord],
) -> Lessons:
    """Hold an experiment's configurations against what a study would have run itself.

    A configuration fits if the study, had it proposed these values, would have asked for the very
    same trials, and all of them are finished.
    """
    outcomes = outcomes_of(by_trial(trial_runs).values())
    runs = {record.tags["configuration_id"]: record for record in configuration_runs}
    seeds = sorted(seeds)
    taken: list[Lesson] = []
    left_out: Counter[str] = Counter()
    for configuration_id, record in sorted(runs.items()):
        fields, why_not = _searched_fields(plan, record)
        values = _values(outcomes.get(configuration_id, {}), seeds, plan.metric)
        if not why_not and values is None:
            why_not = "without all of the seeds"
        if why_not:
            left_out[why_not] += 1
        else:
            taken.append(Lesson(configuration_id, fields, values or ()))
    return Lessons(experiment, taken, left_out)


def _searched_fields(plan: StudyPlan, record: RunRecord) -> tuple[dict[str, Any], str]:
    """What the study would have proposed, and why that is another configuration, if it is."""
    stored = FIELDS_ADDED_LATER | as_written_today(json.loads(record.tags["configuration"]))
    stored = {name: with_tuples(value) for name, value in stored.items()}
    if record.tags.get("numbers_version", "1") != str(NUMBERS_VERSION):
        return {}, "of another NUMBERS_VERSION"
    fields: dict[str, Any] = {}
    for name, values in plan.space.items():
        if plan.asks_for(name, fields):
            if stored.get(name) not in values:
                return {}, f"outside the space in {name}"
            fields[name] = stored[name]
    try:
        proposed = plan.configuration(fields)
    except BadInput:
        return {}, "that cannot be here"
    if proposed.id == record.tags["configuration_id"]:
        return fields, ""
    return {}, _difference(proposed, stored, record)


def _difference(proposed: Configuration, stored: Mapping[str, Any], record: RunRecord) -> str:
    flat = proposed.flat
    plain = [n for n in sorted(flat.keys() | stored.keys()) if n != "digests"]
    differing = [name for name in plain if flat.get(name) != stored.get(name)]
    if differing:
        return f"with another {', '.join(differing)}"
    other_data = proposed.digests.get("dataset", "") != record.tags.get("data_digest", "")
    return "with other data" if other_data else "with other code"


def _values(outcomes: Outcomes, seeds: Sequence[int], metric: str) -> list[float] | None:
    """None unless every seed has finished with a finite one."""
    finished = [o for s in seeds if (o := outcomes.get(s)) and o.state is State.FINISHED]
    values = [outcome.metrics.get(metric, math.nan) for outcome in finished]
    return values if len(values) == len(seeds) and all(map(math.isfinite, values)) else None


def describe_lessons(experiment: str, n_taken: int, left_out: Mapping[str, int]) -> str:
    """A line for people."""
    n_left = sum(left_out.values())
    told = f"{n_taken} of {n_taken + n_left} tracked configurations of '{experiment}' taken"
    reasons = ", ".join(f"{n} {why}" for why, n in sorted(left_out.items(), key=lambda p: -p[1]))
    return f"{told}; not taken: {reasons}" if n_left else told
