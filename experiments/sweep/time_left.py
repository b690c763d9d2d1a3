"""How long a sweep still takes, by what its epochs have taken so far."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from experiments.execution.messages import EpochDone
from experiments.planning.estimate import Estimate
from experiments.planning.results import Results
from experiments.proposers.decisions import Advance
from experiments.spec.experiment import Experiment
from experiments.tracking.run_record import RunRecord


class TimeLeft:
    """Learns while a sweep runs."""

    def __init__(
        self,
        experiment: Experiment,
        records: Iterable[RunRecord],
        results: Results,
        n_workers: int,
    ) -> None:
        self._results = results
        self._n_workers = n_workers
        self._estimate = Estimate(experiment.configurations)
        self._estimate.learn_from(records)
        self._last: float | None = None
        self._anew_at = 0.0

    def learn(self, event: EpochDone) -> None:
        self._estimate.learn(event.configuration_id, event.metrics["epoch_seconds"])

    def seconds_of(self, advance: Advance) -> float | None:
        """Of one trial, as far as it is to be trained."""
        outcome = self._results.outcome(advance.trial)
        n_epochs = advance.until - (outcome.epoch if outcome else 0)
        return self._estimate.seconds_of(advance.configuration, n_epochs)

    def seconds(self, left: Mapping[str, int]) -> float | None:
        """Of all that is left; once a second anew, since many configurations take their time.

        Args:
            left: how many trials, by configuration_id
        """
        if time.monotonic() >= self._anew_at:
            self._last = self.seconds_now(left)
            self._anew_at = time.monotonic() + 1
        return self._last

    def seconds_now(self, left: Mapping[str, int]) -> float | None:
        for configuration_id in left:
            if configuration_id in self._results:
                self._estimate.know(self._results[configuration_id].configuration)
        return self._estimate.seconds(left, self._n_workers)
