"""A tracked trial trained once more, and each of its numbers held against what it logged."""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from experiments.execution.devices import find_devices
from experiments.execution.finals import epoch_metrics, finals_of
from experiments.execution.process import compute_device, prepare_process
from experiments.metrics import METRICS
from experiments.models.differences import computed_with, computes_with, differences
from experiments.models.load import SelectedRun
from experiments.models.own_code import find_own
from experiments.sweep.progress import counting, counting_images
from experiments.tracking.reader import KL
from experiments.tracking.run_record import attempts
from vae.configuration import Trial
from vae.errors import BadInput, Diverged
from vae.splits import load_splits
from vae.training import Training, fit

CLOCK = ("epoch_seconds", "images_per_second")
"""Metrics that are of the machine's day, and of no trial."""

_DEAR = "test/bound_gap"
"""A metric that a trial has if its experiment asks for `diagnostics`."""

Numbers = dict[tuple[str, int], float]
"""By metric and epoch; at the end of a trial, epoch 0. Of the KL per dimension, the dimension."""


@dataclass(frozen=True)
class Again:
    """What came of it.

    Attributes:
        logged, found: by the run, and by this process, which may have none of some
        differences: what the run was computed with and this process is not: `before → now`
        remarks: what else is not as it was
        failure: why the training ended before its time; empty if it did not
    """

    chosen: SelectedRun
    device: str
    n_epochs: int
    logged: Numbers
    found: Numbers
    differences: Mapping[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    failure: str = ""

    @property
    def is_same(self) -> bool:
        """To the last bit, in every number that the run logged."""
        return all(self.is_same_in(key) for key in self.logged)

    def is_same_in(self, key: tuple[str, int]) -> bool:
        return self.off_by(key) == 0

    def off_by(self, key: tuple[str, int]) -> float | None:
        """How far this process is off the log; None where it has no such number."""
        if key not in self.found:
            return None
        logged, found = self.logged[key], self.found[key]
        return (
            0.0 if logged == found or (math.isnan(logged) and math.isnan(found)) else found - logged
        )


def train_again(chosen: SelectedRun, data_dir: Path, device: str, trust_code: bool) -> Again:
    """Train a run's trial up to the last epoch that it logged; writes nothing to the store.

    Args:
        device: as of a sweep; of `auto`, what the run says, if there is one here
        trust_code: execute archived source of the user's own that is not here as it was

    Raises:
        BadInput: for a run that logged no epoch, or code or data that cannot be had.
    """
    trial = _trial(chosen)
    logged = dict(_logged(chosen))
    n_epochs = max((epoch for (name, epoch) in logged if name in _OF_EPOCHS), default=0)
    if not n_epochs:
        raise BadInput(f"run {chosen.run.run_id} has logged no epoch to hold another against")
    device = _device(chosen, device)
    prepare_process()
    with counting_images() as on_progress:
        remarks = find_own(chosen, trial, data_dir, trust_code, on_progress)
    now = computes_with(trial, data_dir, device)
    with counting(f"{chosen.name}: epochs", n_epochs) as advance:
        found, failure = _train(trial, data_dir, device, n_epochs, _FINAL & _names(logged), advance)
    differing = differences(computed_with(chosen), now)
    return Again(chosen, device, n_epochs, logged, found, differing, tuple(remarks), failure)


def _trial(chosen: SelectedRun) -> Trial:
    try:
        return Trial.model_validate_json(chosen.run.tags["trial"])
    except (KeyError, ValidationError) as error:
        raise BadInput(
            f"run {chosen.run.run_id}: its tag `trial` is not of a sweep of this project's"
        ) from error


_FINAL = frozenset(name for name, metric in METRICS.items() if metric.final)
_OF_EPOCHS = frozenset(METRICS) - _FINAL - set(CLOCK)


def _names(numbers: Numbers) -> set[str]:
    return {name for name, _ in numbers}


def _logged(chosen: SelectedRun) -> Iterator[tuple[tuple[str, int], float]]:
    """What people have added to the run is none of its trial's."""
    tracker, run = chosen.tracker, chosen.run
    for name in METRICS:
        if name in run.metrics and name in _FINAL:
            yield (name, 0), run.metrics[name]
        elif name in run.metrics and name in _OF_EPOCHS:
            for epoch, value in tracker.curve(run.run_id, name):
                yield (name, epoch), value
    for dimension, value in enumerate(tracker.kl_per_dimension(run.run_id)):
        yield (KL, dimension), value


def _device(chosen: SelectedRun, wanted: str) -> str:
    if wanted == "auto":
        last = (attempts(chosen.run.tags.get("device")) or ["cpu"])[-1]
        return compute_device("auto") if last.startswith("cuda") else "cpu"
    if len(find_devices(wanted)) > 1 and "," in wanted:
        raise BadInput(f"--device {wanted}: one trial computes on one")
    return wanted


def _train(
    trial: Trial,
    data_dir: Path,
    device: str,
    n_epochs: int,
    finals: frozenset[str],
    advance: Callable[[int], None],
) -> tuple[Numbers, str]:
    """The trial's numbers, and why there are no more of them if it failed.

    Args:
        finals: names of those that are wanted; none of a trial that was not finished
        advance: is told of every epoch
    """
    found: Numbers = {}
    try:
        splits = load_splits(trial.configuration, str(data_dir.absolute()), device)
        training = Training(trial, splits.train.shape, device)
        for metrics in fit(training, splits, n_epochs):
            named = epoch_metrics(metrics, trial.configuration.beta)
            found |= {(name, metrics.epoch): value for name, value in named.items()}
            advance(1)
        if finals:
            ended = finals_of(training, splits, diagnostics=_DEAR in finals)
            found |= {(name, 0): value for name, value in ended.metrics.items()}
            found |= {(KL, dimension): value for dimension, value in enumerate(ended.kl)}
    except Diverged as error:
        return found, f"diverged: {error}"
    except Exception as error:  # as in a sweep, where this is a number, too: the trial failed
        traceback.print_exc()
        return found, f"{type(error).__name__}: {error}".splitlines()[0]
    return found, ""
