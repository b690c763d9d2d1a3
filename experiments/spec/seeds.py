"""Seeds as people write them, in a file and on the command line: `5`, `[0, 3]`, `0-4,9`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from vae.errors import BadInput

_LARGEST = 2**63 - 1
_RANGE = re.compile(r"(\d{1,19})(?:-(\d{1,19}))?")


def parse_seeds(value: Any) -> tuple[int, ...]:
    """`5` means 0..4; a list means itself; `0-4,9` means 0, 1, 2, 3, 4, 9. As text, too.

    Raises:
        BadInput: for anything else, and for a seed given twice.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= 1_000_000:
            raise BadInput(
                f"the number of seeds should be from 1 to 1,000,000 (got {value}); the seed "
                f"{value} alone is {value}-{value}"
            )
        return tuple(range(value))
    if isinstance(value, str):
        text = value.strip()
        if text.isdecimal():
            return parse_seeds(int(text))
        listed = text.startswith("[") and text.endswith("]")
        return _distinct(list(_expand(text[1:-1] if listed else text)))
    if isinstance(value, (list, tuple)):
        return _distinct([_checked(seed) for seed in value])
    raise BadInput(f"should be a number, a list or a range like '0-4,9' (got {value!r})")


def write_seeds(seeds: Iterable[int]) -> str:
    """In ascending order, for people; `parse_seeds` reads it, but one seed alone as a number."""
    runs: list[list[int]] = []
    for seed in sorted(seeds):
        if runs and seed == runs[-1][1] + 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in runs)


def _checked(seed: Any) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= _LARGEST:
        raise BadInput(f"a seed should be a whole number from 0 (got {seed!r})")
    return seed


def _expand(text: str) -> Iterator[int]:
    for part in text.split(","):
        match = _RANGE.fullmatch(part.strip())
        if match is None:
            raise BadInput(f"should look like '0-4,9' (got '{text}')")
        first, last = int(match[1]), _checked(int(match[2] or match[1]))
        if last < first:
            raise BadInput(f"the range {part.strip()} runs backwards")
        if last - first >= 1_000_000:
            raise BadInput(f"the range {part.strip()} is too large")
        yield from range(first, last + 1)


def _distinct(seeds: list[int]) -> tuple[int, ...]:
    if not seeds:
        raise BadInput("there should be at least one seed")
    seen: set[int] = set()
    for seed in seeds:
        if seed in seen:
            raise BadInput(f"seed {seed} is given twice")
        seen.add(seed)
    return tuple(seeds)
