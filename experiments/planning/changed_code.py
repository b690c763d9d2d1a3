"""What of the user's own code and data is other than it was when earlier trials ran."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator

from experiments.spec.experiment import Experiment
from experiments.tracking.run_record import RunRecord
from vae.components.component import Component
from vae.components.registry import KINDS

_Versions = dict[tuple[str, str], Counter[str]]
"""By field and value, how many trials were run with each digest."""


def changed_code(
    experiment: Experiment, trial_runs: Iterable[RunRecord]
) -> Iterator[tuple[str, str]]:
    """The fields of which something is new since earlier trials, each with what that is.

    Args:
        trial_runs: all of the experiment's, whatever code they ran
    """
    tracked = _versions(trial_runs)
    for kind in KINDS:
        components = {c.value: c for c in experiment.components if c.kind == kind}
        changed = [c for c in components.values() if _older(c, tracked)]
        if any(component.digest not in tracked[kind, component.value] for component in changed):
            same = [v for v in components if (kind, v) in tracked and components[v] not in changed]
            unchanged = [f"{', '.join(same)} unchanged"] if same else []
            yield kind, "; ".join([*unchanged, *(_told(c, tracked) for c in changed)])


def _versions(trial_runs: Iterable[RunRecord]) -> _Versions:
    found: _Versions = {}
    for record in trial_runs:
        fields = json.loads(record.tags.get("trial", "{}")).get("configuration", {})
        digests = fields.get("digests", {})
        for kind in KINDS:
            if kind in fields:
                of_value = found.setdefault((kind, fields[kind]), Counter())
                of_value[digests.get(kind, "")] += 1
    return found


def _older(component: Component, tracked: _Versions) -> int:
    """How many trials were run with another version of a component."""
    versions = tracked.get((component.kind, component.value), Counter())
    return versions.total() - versions[component.digest]


def _told(component: Component, tracked: _Versions) -> str:
    what = "data" if component.kind == "dataset" else "code"
    new = "" if component.digest in tracked[component.kind, component.value] else "new "
    n_older = _older(component, tracked)
    trials = "1 trial" if n_older == 1 else f"{n_older} trials"
    stay = "stays" if n_older == 1 else "stay"
    return (
        f"{component.value} is {new}{what} ({component.digest[:4]}…), "
        f"{trials} of older {what} {stay}"
    )
