"""The combinations of a grid, and which of them a rule excludes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from vae.components.signatures import check_value
from vae.errors import at


def combinations(
    grid: Mapping[str, Sequence[Any]], zipped: Iterable[Mapping[str, Sequence[Any]]]
) -> Iterator[dict[str, Any]]:
    """The fields that vary, in every combination.

    Args:
        grid: the values of each axis
        zipped: groups of axes that advance together
    """
    parts = [[{field: value} for value in values] for field, values in grid.items()]
    parts += [
        [dict(zip(group, row, strict=True)) for row in zip(*group.values(), strict=True)]
        for group in zipped
    ]
    for combination in itertools.product(*parts):
        yield {field: value for part in combination for field, value in part.items()}


def applies(rule: dict[str, Any], effective: dict[str, Any]) -> bool:
    """Whether a combination has all that a rule excludes; an option that it lacks, it has not."""
    for name, value in rule.items():
        if name not in effective:
            return False
        with at(f"exclude: {name}"):
            wanted = check_value(effective[name], value) if "." in name else value
        if wanted != effective[name]:
            return False
    return True
