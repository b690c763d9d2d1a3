"""The command line of sweep.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.execution.engines import ENGINES
from experiments.spec.shard import Shard
from experiments.sweep.parser import sweep_parser


def test_a_question_alone_is_enough() -> None:
    found = sweep_parser("").parse_args(["quickstart"])
    assert (found.engine, found.device, found.shard) == ("processes", "auto", Shard(1, 1))
    assert (found.data_dir, found.set, found.archive) == (Path("data"), [], None)
    assert found.retries is None, "so that one that is given can be told from one that is not"


def test_fields_may_be_set_several_times() -> None:
    found = sweep_parser("").parse_args(["q", "--set", "lr=1", "--set", "encoder=mlp1,conv"])
    assert found.set == ["lr=1", "encoder=mlp1,conv"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["q", "--engin", "serial"], "--engin"),  # no abbreviations: they would change in meaning
        (["q", "--engine", "threads"], "serial"),
        (["q", "--shard", "3/2"], "--shard"),
        (["q", "--device", "gpu"], "--device"),
        (["q", "--time-budget", "soon"], "--time-budget"),
        (["q", "--workers", "0"], "--workers"),
        (["q", "--retries", "-1"], "--retries"),
        (["q", "--archive", "some"], "all"),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_code_two(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        sweep_parser("").parse_args(arguments)
    assert ended.value.code == 2
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1


def test_help_names_every_engine_and_every_option_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        sweep_parser("").parse_args(["--help"])
    told = capsys.readouterr().out
    for name, engine in ENGINES.items():
        assert f"{name}:" in told
        for option in engine.options:
            assert told.count(f"\n  {option.flag} ") == 1, option.flag
