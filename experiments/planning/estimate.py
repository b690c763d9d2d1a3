"""How long what is left will take."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from experiments.tracking.run_record import RunRecord
from vae.configuration import Configuration

_TELLING_FIELDS = (
    "dataset", "encoder", "decoder", "objective", "hidden_dim", "latent_dim", "batch_size", "loss",
    "optimizer",
)  # fmt: skip
"""What an epoch's time depends on, the most telling first."""

_Kind = tuple[object, ...]
"""The values of the first of those fields, and at last of the components' options."""


@dataclass
class _Mean:
    """Over the configurations of a kind that were measured."""

    total: float = 0.0
    n: int = 0


class Estimate:
    """Seconds per epoch of every configuration, from measured epochs of it or of its like.

    The likes of a configuration are those that agree in as many of the telling fields as any that
    was measured, counted from the first. Looking them up takes the same time however many there
    are.
    """

    def __init__(self, configurations: Iterable[Configuration]) -> None:
        self._configurations: dict[str, Configuration] = {}
        self._kinds: dict[str, list[_Kind]] = {}
        self._measured: dict[str, float] = {}
        self._means: dict[_Kind, _Mean] = {}
        self._lock = threading.Lock()  # one thread hears of epochs, another asks what is left
        for configuration in configurations:
            self.know(configuration)

    def know(self, configuration: Configuration) -> None:
        """Take note of a configuration that was not known beforehand."""
        if configuration.id not in self._configurations:
            kinds = list(_kinds(configuration))
            with self._lock:
                self._configurations[configuration.id] = configuration
                self._kinds[configuration.id] = kinds

    def learn(self, configuration_id: str, seconds: float) -> None:
        """Take note of how long an epoch took."""
        with self._lock:
            if configuration_id not in self._configurations:
                return
            before = self._measured.get(configuration_id)
            self._measured[configuration_id] = seconds
            for kind in self._kinds[configuration_id]:
                mean = self._means.setdefault(kind, _Mean())
                mean.total += seconds - (before or 0.0)
                mean.n += before is None

    def learn_from(self, records: Iterable[RunRecord]) -> None:
        for record in records:
            if "epoch_seconds" in record.metrics:
                self.learn(record.tags.get("configuration_id", ""), record.metrics["epoch_seconds"])

    def seconds_of(self, configuration: Configuration, n_epochs: int) -> float | None:
        """How long so many epochs take; None if nothing was measured."""
        self.know(configuration)
        with self._lock:
            return n_epochs * self._epoch_seconds(configuration.id) if self._measured else None

    def _epoch_seconds(self, configuration_id: str) -> float:
        if configuration_id in self._measured:
            return self._measured[configuration_id]
        kinds = reversed(self._kinds[configuration_id])
        mean = next(self._means[kind] for kind in kinds if kind in self._means)
        return mean.total / mean.n

    def seconds(self, n_trials: Mapping[str, int], n_workers: int) -> float | None:
        """How long so many trials of each configuration_id take; None if nothing was measured.

        It takes no less than the longest of them, however many workers there are.
        """
        total, longest = 0.0, 0.0
        with self._lock:
            if not self._measured:
                return None
            for configuration_id, n in n_trials.items():
                if n and configuration_id in self._configurations:
                    epochs = self._configurations[configuration_id].epochs
                    one = epochs * self._epoch_seconds(configuration_id)
                    total, longest = total + n * one, max(longest, one)
            return max(total / n_workers, longest)


def _kinds(configuration: Configuration) -> Iterator[_Kind]:
    """From the one that all configurations are of to the one that few are."""
    flat = configuration.flat
    values = tuple(flat.get(field) for field in _TELLING_FIELDS)
    for n in range(len(values) + 1):
        yield values[:n]
    yield (*values, *sorted((k, str(v)) for k, v in flat.items() if "." in k))
