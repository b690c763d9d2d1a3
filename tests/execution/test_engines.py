"""Engines are a table; an option belongs to the engines that take it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from experiments.execution import serial
from experiments.execution.engine import Engine, OpenEngine, Option, Request
from experiments.execution.engines import ENGINES, options_of, takers_of_options
from experiments.spec.experiment import load_experiment
from experiments.sweep.options import Options
from experiments.sweep.parser import sweep_parser
from experiments.sweep.run import run_sweep
from tests.conftest import Workspace
from tests.tracked import numbers
from vae.errors import BadInput

FOREIGN = [
    (engine, option)
    for option, takers in takers_of_options().items()
    for engine in ENGINES
    if engine not in takers
]


@pytest.mark.parametrize(("engine", "option"), FOREIGN)
def test_an_option_of_another_engine_is_refused(engine: str, option: Option) -> None:
    # 0 and 0.0 are given, too: `--gpus-per-trial 0` is no way to say nothing.
    for value in (1, 0):
        with pytest.raises(BadInput, match=f"^{option.flag}: --engine {engine} does not take it"):
            options_of(engine, {option.name: value})


def test_the_options_that_the_issue_names_are_among_them() -> None:
    refused = {(engine, option.flag) for engine, option in FOREIGN}
    serial_ones = {("serial", flag) for flag in ("--timeout", "--retries", "--workers")}
    ray_ones = {
        (engine, flag)
        for engine in ("serial", "processes")
        for flag in ("--ray-address", "--cpus-per-trial", "--gpus-per-trial")
    }
    assert serial_ones | ray_ones <= refused


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_not_given_is_at_its_default(engine: str) -> None:
    expected = {option.name: option.default for option in ENGINES[engine].options}
    assert options_of(engine, {}) == expected
    assert options_of(engine, dict.fromkeys(expected)) == expected
    arguments = sweep_parser("").parse_args(["x", "--engine", engine])
    assert Options.of(arguments).engine_options == expected


def test_one_flag_means_one_thing() -> None:
    """Two options of one flag would be two actions to argparse, and one value to both engines."""
    flags = [option.flag for option in takers_of_options()]
    assert len(flags) == len(set(flags))


def _loud_engine(opened: list[Request]) -> Engine:
    """Works as `serial` does, with an option and a check of its own."""

    @contextmanager
    def open_it(request: Request) -> Iterator[OpenEngine]:
        if request.options["volume"] > 11:
            raise BadInput(f"--volume {request.options['volume']}: goes to eleven")
        opened.append(request)
        with serial.ENGINE.open(replace(request, device="cpu")) as engine:
            yield engine

    volume = Option("--volume", "N", "how loud", int, default=3)
    return Engine("loud", (volume,), lambda request: 1, lambda request: "noise", open_it)


def options(workspace: Workspace, *arguments: str) -> Options:
    given = ["x", "--tracking-uri", workspace.tracking_uri, "--data-dir", "data", *arguments]
    return Options.of(sweep_parser("").parse_args(given))


def test_an_engine_is_a_file_and_a_line(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its options are in --help and reach it; its check comes before anything is written."""
    opened: list[Request] = []
    monkeypatch.setitem(ENGINES, "loud", _loud_engine(opened))
    experiment = load_experiment(workspace.folder / "tiny.yaml", ["encoder=mlp1"], "0-0")
    with pytest.raises(SystemExit):
        sweep_parser("").parse_args(["--help"])
    assert "with --engine loud:\n  --volume N" in capsys.readouterr().out
    before = set(workspace.folder.rglob("*"))
    with pytest.raises(BadInput, match="--volume 12: goes to eleven"):
        run_sweep(experiment, options(workspace, "--engine", "loud", "--volume", "12"))
    assert set(workspace.folder.rglob("*")) == before
    outcome = run_sweep(experiment, options(workspace, "--engine", "loud", "--volume", "11"))
    assert outcome.exit_code == 0
    assert [request.options for request in opened] == [{"volume": 11}]
    assert len(numbers(workspace.folder / "mlflow.db")) == 2
