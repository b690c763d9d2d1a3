"""Nothing that grows with seeds lives in one tag."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from experiments.tracking.long_tags import (
    MOST_CHARACTERS,
    list_tags,
    read_list,
    read_runs,
    run_tags,
)

SEEDS = st.sets(st.integers(0, 2**63 - 1), max_size=700)


@given(SEEDS)
def test_a_list_comes_back_and_no_tag_is_too_long(seeds: set[int]) -> None:
    """mlflow#12032"""
    tags = list_tags("seeds", sorted(seeds))
    assert read_list({"other": "x", "seeds.of": "y", **tags}, "seeds") == sorted(seeds)
    assert max(map(len, tags.values())) <= MOST_CHARACTERS
    assert all(isinstance(json.loads(text), list) for text in tags.values())


def test_a_list_that_fits_is_one_tag() -> None:
    assert list_tags("seeds", range(5)) == {"seeds": "[0, 1, 2, 3, 4]"}
    assert list_tags("seeds", []) == {"seeds": "[]"}
    assert len(list_tags("seeds", range(900))) == 1
    assert len(list_tags("seeds", range(1500))) == 2


@given(SEEDS, SEEDS)
def test_a_list_takes_the_place_of_a_longer_one(before: set[int], after: set[int]) -> None:
    tags = list_tags("seeds", sorted(before))
    tags |= list_tags("seeds", sorted(after), tags)
    assert read_list(tags, "seeds") == sorted(after)


@given(st.dictionaries(st.integers(0, 2**63 - 1), st.uuids().map(lambda u: u.hex), max_size=300))
def test_runs_come_back_and_no_tag_is_too_long(run_ids: dict[int, str]) -> None:
    tags = run_tags("finished", run_ids)
    assert read_runs({"other": "x", **tags}, "finished") == run_ids
    assert all(len(text) <= MOST_CHARACTERS for text in tags.values())


def test_the_longest_seeds_fit_side_by_side() -> None:
    run_ids = {2**63 - 64 + i: "f" * 32 for i in range(64)}
    (text,) = run_tags("finished", run_ids).values()
    assert len(text) <= MOST_CHARACTERS


def test_one_more_seed_changes_one_tag() -> None:
    run_ids = {seed: f"{seed:032x}" for seed in range(200)}
    before, after = run_tags("finished", run_ids), run_tags("finished", {**run_ids, 200: "0" * 32})
    assert len(after.items() - before.items()) == 1


def test_what_was_written_in_one_tag_is_read() -> None:
    assert read_runs({"finished": '{"0": "a", "1": "b"}'}, "finished") == {0: "a", 1: "b"}
    both = {"finished.0": '{"0": "new"}', "finished": '{"0": "old", "1": "b"}'}
    assert read_runs(both, "finished") == {0: "new", 1: "b"}
    assert read_runs({}, "finished") == {}
    assert read_list({}, "seeds") == []
