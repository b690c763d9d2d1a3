from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.spec.seeds import parse_seeds, write_seeds
from vae.errors import BadInput


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (1, (0,)),
        (5, (0, 1, 2, 3, 4)),
        ("5", (0, 1, 2, 3, 4)),
        (" 1 ", (0,)),
        ("5-5", (5,)),
        ("[5]", (5,)),
        ("[2, 0]", (2, 0)),
        ([5], (5,)),
        ([3435], (3435,)),
        ([2, 0], (2, 0)),
        ("0-4,9", (0, 1, 2, 3, 4, 9)),
        (" 7 , 1-2 ", (7, 1, 2)),
    ],
)
def test_what_seeds_mean(written: object, meant: tuple[int, ...]) -> None:
    """Issue 14, item 8"""
    assert parse_seeds(written) == meant


@pytest.mark.parametrize(
    "written",
    [0, -1, True, None, 1.5, [], [1, 1], [-1], [True], ["a"], "", "a", "0", "[]", "[1", "3-1",
     "1,1", "0-4,2", "-1", "1-", 10**9, "0-99999999999", [2**63]],
)  # fmt: skip
def test_what_is_no_seeds(written: object) -> None:
    with pytest.raises(BadInput):
        parse_seeds(written)


@given(st.sets(st.integers(0, 2**63 - 1), min_size=1, max_size=20).map(list))
def test_a_list_and_its_text_mean_the_same(seeds: list[int]) -> None:
    assert parse_seeds(str(seeds)) == parse_seeds(seeds) == tuple(seeds)
    text = ",".join(f"{seed}-{seed}" for seed in seeds)
    assert parse_seeds(text) == tuple(seeds)


def test_a_number_that_is_no_count_says_how_to_name_the_seed() -> None:
    with pytest.raises(BadInput, match="the seed 0 alone is 0-0"):
        parse_seeds("0")


@given(st.sets(st.integers(0, 60), min_size=2))
def test_what_is_written_is_read(seeds: set[int]) -> None:
    assert parse_seeds(write_seeds(seeds)) == tuple(sorted(seeds))


def test_runs_of_seeds_are_written_as_ranges() -> None:
    assert write_seeds([9, 0, 1, 2, 4]) == "0-2,4,9"
