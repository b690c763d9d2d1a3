"""A sweep from a notebook or a script: `experiments.run`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.cli import duration
from experiments.execution.engines import ENGINES, options_of, takers_of_options
from experiments.spec.experiment import load_experiment
from experiments.spec.shard import Shard
from experiments.spec.yaml_files import find_experiment
from experiments.sweep.opening import opened
from experiments.sweep.options import Options
from experiments.sweep.outcome import Outcome
from experiments.sweep.progress import counting_images
from experiments.tracking.uris import default_uri
from vae.components.registry import check_name
from vae.data.datasets import place
from vae.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Run:
    """What came of `experiments.run`.

    Attributes:
        name: of the MLflow experiment
        outcome: how many trials finished, failed, were left, and why
    """

    name: str
    tracking_uri: str
    outcome: Outcome

    @property
    def trials(self) -> pd.DataFrame:
        """One row per trial that the experiment has, whoever ran it, as `load_trials` gives it."""
        from experiments.analysis.load import load_trials  # pandas takes its time to import

        return load_trials(self.name, self.tracking_uri)

    @property
    def is_complete(self) -> bool:
        """Whether every trial that was asked for has finished."""
        return self.outcome.exit_code == 0

    def __repr__(self) -> str:
        told = self.outcome.closing_line("call it again", "see .trials").replace("\n", " ")
        return f"<{self.name} at {self.tracking_uri}: {told}>"


def run(
    experiment: str | Path | Mapping[str, Any],
    *,
    set: Iterable[str] = (),
    seeds: int | str | Iterable[int] | None = None,
    tracking_uri: str | None = None,
    data_dir: str | Path = "data",
    checkpoint_dir: str | Path | None = None,
    optuna_storage: str | None = None,
    archive: str | None = None,
    retry_failed: bool = False,
    device: str = "auto",
    time_budget: float | str | None = None,
    engine: str = "processes",
    **engine_options: Any,
) -> Run:
    """Run what is not done yet, as `sweep.py` does; an interrupt is a Ctrl-C, after which the
    same call goes on.

    Args:
        experiment: a YAML file, the name of a shipped one, or what such a file holds
        set, seeds: as `--set` and `--seeds`
        time_budget: seconds, or a text such as `2h30m`
        engine_options: such as `workers`, named as the options of the command line are

    Raises:
        BadInput: before anything is written.
    """
    # MLflow would report every sweep to its makers.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    check_name(ENGINES, engine, "engine")
    options = Options(
        tracking_uri=tracking_uri or default_uri(),
        data_dir=Path(data_dir),
        checkpoint_dir=Path(checkpoint_dir) if checkpoint_dir else None,
        device=device,
        engine=engine,
        engine_options=options_of(engine, _checked(engine_options)),
        retry_failed=retry_failed,
        shard=Shard(1, 1),
        optuna_storage=optuna_storage,
        archive=archive,
        time_budget=duration(time_budget) if isinstance(time_budget, str) else time_budget,
    )
    source = experiment if isinstance(experiment, Mapping) else find_experiment(str(experiment))
    with counting_images() as on_progress, place(options.data_dir, on_progress):
        loaded = load_experiment(source, set, seeds)
    with opened(loaded, options) as found:
        from experiments.sweep.run import run_opened  # MLflow takes its time to import

        result = Run(loaded.name, options.tracking_uri, run_opened(loaded, options, found))
    print(repr(result), file=sys.stderr)
    return result


def _checked(engine_options: Mapping[str, Any]) -> dict[str, Any]:
    """The values as the command line would read them."""
    known = {option.name: option for option in takers_of_options()}
    values = {}
    for name, value in engine_options.items():
        option = known[check_name(known, name, "option of experiments.run")]
        try:
            values[name] = None if value is None else option.type(str(value))
        except argparse.ArgumentTypeError as error:
            raise BadInput(f"{option.flag}: {error}") from error
    return values
