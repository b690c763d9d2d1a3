"""What two versions of YAML take for different things, and names of experiments."""

from __future__ import annotations

import math
from typing import Any

import pytest

from experiments.spec.yaml_files import parse_yaml, read_as_yaml_1_2
from vae.errors import BadInput


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12), ("-3", -3), ("+3", 3), ("0", 0), ("0x1F", 31), ("0.5", 0.5), ("1.", 1.0),
        (".5", 0.5), ("1.5e+3", 1500.0), (".inf", math.inf), ("-.inf", -math.inf), ("true", True),
        ("False", False), ("~", None), ("", None), ("mlp1", "mlp1"), ("007", 7),
        ('"0100"', "0100"), ("'yes'", "yes"), ("!!str 1_000", "1_000"), ("!!int 0100", 64),
        # Which of the two it is, its field says; so a learning rate may be written like this,
        ("1e-3", "1e-3"), ("1.5e3", "1.5e3"),
        ("12345678901234e5", "12345678901234e5"),  # and an id stays one.
    ],
)  # fmt: skip
def test_what_both_versions_read_alike(text: str, value: Any) -> None:
    assert parse_yaml(f"[{text}]") == ([value] if text else [])


@pytest.mark.parametrize(
    "text",
    ["0100", "-010", "08", "0o14", "0b11", "1_000", "1_0.5", "0x1_F", "-0x1F", "1:30",
     "190:20:30", "yes", "No", "ON", "off", "2024-01-15", "2024-01-15 10:00:00"],
)  # fmt: skip
def test_what_they_do_not_is_refused_with_its_line(text: str) -> None:
    """Issue 14, item 7"""
    for document in (f"a: 1\nb: {text}", f"a: 1\n{text}: 2", f"a: 1\nb: [1, {text}]"):
        with pytest.raises(BadInput, match=f"^line 2: `{text}` means .* write the one"):
            parse_yaml(document)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0100", 100), ("08", 8), ("0o14", 12), ("0b11", "0b11"), ("1_000", "1_000"),
        ("1:30", "1:30"), ("yes", "yes"), ("1e-3", 0.001), ("12345678901234e5", 12345678901234e5),
        ("0x1F", 31), ("-.inf", -math.inf), ("TRUE", True), ("2024-01-15", "2024-01-15"),
    ],
)  # fmt: skip
def test_the_core_schema_of_yaml_1_2(text: str, value: Any) -> None:
    assert repr(read_as_yaml_1_2(text)) == repr(value)
