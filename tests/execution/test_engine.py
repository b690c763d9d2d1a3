"""Options of engines, as they are typed and as they are passed."""

from __future__ import annotations

import argparse

import pytest

from experiments.execution.engine import RETRIES, TIMEOUT, WORKERS, Option
from experiments.execution.engines import ENGINES


def test_a_flag_is_an_argument_of_run_by_its_own_name() -> None:
    assert Option("--cpus-per-trial", "N", "").name == "cpus_per_trial"
    names = [option.name for engine in ENGINES.values() for option in engine.options]
    assert all(name.isidentifier() for name in names)


@pytest.mark.parametrize(
    "option", [o for e in ENGINES.values() for o in e.options], ids=lambda option: option.name
)
def test_a_default_is_what_its_own_text_would_give(option: Option) -> None:
    if option.default is not None:
        assert option.type(str(option.default)) == option.default


@pytest.mark.parametrize(
    ("option", "text"), [(WORKERS, "0"), (WORKERS, "two"), (RETRIES, "-1"), (TIMEOUT, "0")]
)
def test_numbers_that_make_no_sense_are_refused(option: Option, text: str) -> None:
    with pytest.raises((argparse.ArgumentTypeError, ValueError)):
        option.type(text)
