"""A grid as a proposer: every trial that is left, one after another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from experiments.planning.results import Results, TrialOutcome
from experiments.proposers.decisions import Advance
from vae.configuration import Trial


class Grid:
    """Asks for each trial to its last epoch, in the order given."""

    def __init__(self, todo: Iterable[Trial], results: Results) -> None:
        """Args: results: in which all trials of the grid have been asked for"""
        self._todo = iter(tuple(todo))
        self._results = results

    def ask(self) -> Advance | None:
        """The next trial that has not been handed out."""
        trial = next(self._todo, None)
        return Advance(trial, trial.configuration.epochs) if trial else None

    def tell(self, trial: Trial, outcome: TrialOutcome) -> None:
        self._results.record(trial, outcome)

    @property
    def n_left(self) -> int:
        return self._results.n_left

    @property
    def left(self) -> Counter[str]:
        return count_left(self._results)


def count_left(results: Results) -> Counter[str]:
    """How many trials of each configuration_id are left."""
    return Counter({r.configuration.id: len(r.left) for r in results.configurations})
