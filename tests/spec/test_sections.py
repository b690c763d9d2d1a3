"""The parts of an experiment file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from experiments.spec.sections import Fields, Grid, Rule, ZipGroup, check_name_of_experiment
from vae.errors import BadInput


def read(section: Any, raw: Any, folder: Path = Path()) -> Any:
    return TypeAdapter(section).validate_python(raw, context={"folder": folder})


@pytest.mark.parametrize(
    ("section", "raw", "said"),
    [
        (Fields, {"epocs": 3}, "epochs"),
        (Fields, {"epochs": 0}, "epochs"),
        (Fields, [1], "dict"),
        (Grid, {"lr": [0.1, 0.1]}, "given twice"),
        (Grid, {"lr": 0.1}, "lr"),
        (ZipGroup, {}, "at least 1"),
        (ZipGroup, {"lr": [0.1, 0.2], "beta": [1]}, "lr has 2, beta has 1"),
        (Rule, {}, "would exclude everything"),
    ],
)
def test_what_a_part_may_not_hold(section: Any, raw: Any, said: str) -> None:
    with pytest.raises((BadInput, ValidationError), match=said):
        read(section, raw)


def test_axes_that_advance_together_may_repeat_a_value() -> None:
    group = {"lr": [0.1, 0.1], "beta": [1, 2]}
    assert read(ZipGroup, group) == group


def test_files_are_looked_for_beside_the_experiment(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text("class Wide:\n    def __init__(self, s, h, z): ...\n")
    assert read(Fields, {"encoder": "nets.py:Wide"}, tmp_path) == {"encoder": "nets.py:Wide"}
    with pytest.raises((BadInput, ValidationError), match=r"nets\.py"):
        read(Fields, {"encoder": "nets.py:Wide"}, tmp_path / "elsewhere")


@pytest.mark.parametrize("name", ["seed-grid", "my question", "β 4", "v1.2+x"])
def test_names_of_experiments(name: str) -> None:
    assert check_name_of_experiment(name) == name


@pytest.mark.parametrize("name", ["", " x", "a/b", "../x", "-x", "a\nb", "x" * 101, "a'b"])
def test_what_is_no_name_of_an_experiment(name: str) -> None:
    with pytest.raises(BadInput):
        check_name_of_experiment(name)
