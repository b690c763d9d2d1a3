"""How and where a sweep runs, from its command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.spec.experiment import load_experiment
from experiments.sweep.options import Options
from experiments.sweep.parser import sweep_parser
from vae.errors import BadInput


def options(*arguments: str) -> Options:
    return Options.of(sweep_parser("").parse_args(["quickstart", *arguments]))


def test_an_engine_has_its_own_options_and_no_other_s() -> None:
    found = options("--retries", "5", "--timeout", "60")
    assert (found.engine, found.retries, found.timeout) == ("processes", 5, 60)
    serial = options("--engine", "serial")
    assert (serial.engine_options, serial.retries, serial.timeout) == ({}, 0, None)
    with pytest.raises(BadInput, match="--timeout: --engine serial does not take it"):
        options("--engine", "serial", "--timeout", "60")


def test_what_is_not_given_is_at_the_engine_s_default() -> None:
    assert options().retries == 2
    assert options("--retries", "0").retries == 0, "none is not the same as not given"


@pytest.mark.parametrize("study", [True, False])
def test_only_a_study_asks_for_a_storage(tmp_path: Path, study: bool) -> None:
    axis = "study: {trials: 3, space: {lr: {low: 1e-3, high: 1e-2}}}" if study else "grid: {}"
    (tmp_path / "q.yaml").write_text(f"name: q\ndataset: mnist5k\n{axis}\nseeds: 2\n")
    found = options("--tracking-uri", f"sqlite:///{tmp_path / 'm.db'}")
    request = found.request(load_experiment(tmp_path / "q.yaml"))
    assert bool(request.stores.optuna_storage) is study
    assert request.stores.experiment == "q"
    assert request.stores.checkpoints.is_relative_to(tmp_path), "beside what is tracked"
