"""What grows with the seeds of a configuration, in tags that do not.

A tag holds 8,000 characters, in some stores 5,000; MLflow cuts what is longer, and says nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

MOST_CHARACTERS = 4900
"""Of one tag."""

_SEEDS_A_TAG = 64
"""Whose runs one tag names: a run's id has 32 characters, a seed up to 19."""


def list_tags(
    key: str, items: Iterable[object], before: Mapping[str, str] | None = None
) -> dict[str, str]:
    """A JSON list as the tag `key`; what does not fit is in `key.1`, `key.2` and so on.

    Args:
        before: the tags of the run; those of a longer list are emptied
    """
    parts: list[list[str]] = [[]]
    length = 0
    for item in map(json.dumps, items):
        length += len(item) + len(", ")
        if length > MOST_CHARACTERS:
            parts.append([])
            length = len(item) + len(", ")
        parts[-1].append(item)
    return {key if i == 0 else f"{key}.{i}": f"[{', '.join(part)}]" for i, part in enumerate(parts)}


def read_list(tags: Mapping[str, str], key: str) -> list[int]:
    """The list that `list_tags` has put into `tags`."""
    parts = [text for name, text in tags.items() if name == key or _is_part(name, key)]
    return [item for part in parts for item in json.loads(part)]


def run_tags(key: str, run_ids: Mapping[int, str]) -> dict[str, str]:
    """The run of each seed; one more seed changes one tag."""
    parts: dict[int, dict[int, str]] = {}
    for seed, run_id in sorted(run_ids.items()):
        parts.setdefault(seed // _SEEDS_A_TAG, {})[seed] = run_id
    return {f"{key}.{i}": json.dumps(part) for i, part in parts.items()}


def read_runs(tags: Mapping[str, str], key: str) -> dict[int, str]:
    """What `run_tags` has put into `tags`; older runs have all in one."""
    names = sorted(name for name in tags if name == key or _is_part(name, key))
    return {int(seed): run_id for n in names for seed, run_id in json.loads(tags[n]).items()}


def _is_part(name: str, key: str) -> bool:
    start, _, number = name.rpartition(".")
    return start == key and number.isdigit()
