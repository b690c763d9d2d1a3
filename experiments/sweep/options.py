"""How and where a sweep runs."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.execution.engine import Request, Stores
from experiments.execution.engines import options_of
from experiments.spec.experiment import Experiment
from experiments.spec.shard import Shard
from experiments.tracking.uris import checkpoint_folder, optuna_storage


@dataclass(frozen=True)
class Options:
    """How and where a sweep runs; none of it alters a number.

    Attributes:
        engine_options: all of the engine's, by name
        time_budget: seconds after which the sweep is interrupted
    """

    tracking_uri: str
    data_dir: Path
    checkpoint_dir: Path | None
    device: str
    engine: str
    engine_options: Mapping[str, Any]
    retry_failed: bool
    shard: Shard
    optuna_storage: str | None
    archive: str | None
    time_budget: float | None = None

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> Options:
        """From the command line; raises BadInput for an option of another engine."""
        given = vars(arguments)
        engine_options = options_of(arguments.engine, given)
        own = {name: given[name] for name in cls.__annotations__ if name != "engine_options"}
        return cls(engine_options=engine_options, **own)

    @property
    def retries(self) -> int:
        """How often a trial goes on whose worker was lost; without workers, none is."""
        return self.engine_options.get("retries", 0)

    @property
    def timeout(self) -> float | None:
        """Seconds that a trial may take in this sweep."""
        return self.engine_options.get("timeout")

    @property
    def study_storage(self) -> str:
        """Optuna's, beside the tracking store unless it is given."""
        return self.optuna_storage or optuna_storage(self.tracking_uri)

    def request(self, experiment: Experiment) -> Request:
        """What the engine is to be opened for."""
        folder = checkpoint_folder(experiment.name, self.tracking_uri, self.checkpoint_dir)
        stores = Stores(
            experiment.name,
            self.tracking_uri,
            self.study_storage if experiment.study else "",
            folder,
            self.data_dir,
        )
        return Request(self.device, self.engine_options, stores)
