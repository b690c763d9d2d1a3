"""How long what is left will take."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

from experiments.tracking.run_record import RunRecord
from vae.configuration import Configuration


class Estimate:
    """Seconds per epoch of every configuration, from measured epochs of it or of the nearest."""

    def __init__(self, configurations: Iterable[Configuration]) -> None:
        self._configurations = {c.id: c for c in configurations}
        self._fields = {c.id: c.flat for c in self._configurations.values()}
        self._measured: dict[str, float] = {}
        self._nearest: dict[str, str] = {}
        self._lock = threading.Lock()  # one thread hears of epochs, another asks what is left

    def know(self, configuration: Configuration) -> None:
        """Take note of a configuration that was not known beforehand."""
        with self._lock:
            self._configurations.setdefault(configuration.id, configuration)
            self._fields.setdefault(configuration.id, configuration.flat)

    def learn(self, configuration_id: str, seconds: float) -> None:
        """Take note of how long an epoch took."""
        with self._lock:
            if configuration_id not in self._measured:
                self._nearest.clear()
            if configuration_id in self._configurations:
                self._measured[configuration_id] = seconds

    def learn_from(self, records: Iterable[RunRecord]) -> None:
        for record in records:
            if "epoch_seconds" in record.metrics:
                self.learn(record.tags.get("configuration_id", ""), record.metrics["epoch_seconds"])

    def seconds(self, n_trials: Mapping[str, int], n_workers: int) -> float | None:
        """How long so many trials of each configuration_id take; None if nothing was measured."""
        with self._lock:
            if not self._measured:
                return None
            total = 0.0
            for configuration_id, n in n_trials.items():
                if n and configuration_id in self._configurations:
                    per_epoch = self._measured[self._nearest_measured(configuration_id)]
                    total += n * self._configurations[configuration_id].epochs * per_epoch
            return total / n_workers

    def seconds_of(self, configuration: Configuration, n_epochs: int) -> float | None:
        """How long so many epochs take; None if nothing was measured."""
        self.know(configuration)
        with self._lock:
            if not self._measured:
                return None
            return n_epochs * self._measured[self._nearest_measured(configuration.id)]

    def _nearest_measured(self, configuration_id: str) -> str:
        if configuration_id in self._measured:
            return configuration_id
        if configuration_id not in self._nearest:
            wanted = self._fields[configuration_id].items()
            self._nearest[configuration_id] = max(
                self._measured, key=lambda other: len(wanted & self._fields[other].items())
            )
        return self._nearest[configuration_id]
