"""What a configuration run says does not depend on which of its seeds finished first."""

from __future__ import annotations

import itertools

from experiments.sweep.configuration_runs import _Row, aggregate
from vae.configuration import Configuration

RETURNS = {0: 0.1, 1: 0.2, 2: 0.3, 3: -0.7}


def test_means_are_the_same_to_the_last_bit_whoever_finished_first() -> None:
    found = []
    for order in itertools.permutations(RETURNS):
        finished = {seed: (f"run{seed}", {"return": RETURNS[seed]}) for seed in order}
        row = _Row(Configuration(), set(RETURNS), set(), set(), finished)
        found.append(aggregate(row.finals))
    assert all(aggregates == found[0] for aggregates in found)
    in_any_order = [
        aggregate([{"return": r} for r in p]) for p in itertools.permutations([*RETURNS.values()])
    ]
    assert any(aggregates != found[0] for aggregates in in_any_order), "the values tell no order"
