"""AdaStop, written anew from its paper: how many runs each agent needs, by permutation tests.

Source: Mathieu et al. 2024, AdaStop: adaptive statistical testing for sound comparisons of deep RL
agents, TMLR, algorithm 2. After every block of runs there is a step-down permutation test of all
pairs that are undecided; of its level, an equal part may be spent at each look. The package
`adastop` loops over permutations in Python, minutes for twelve agents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_N_PERMUTATIONS = 10_000
Pair = tuple[int, int]


@dataclass(frozen=True)
class Decided:
    """Attributes:
    differ: pairs of which that is claimed; the others stayed undecided, and count as equal
    n_runs: of each agent
    """

    differ: frozenset[Pair]
    n_runs: np.ndarray


def adastop(
    values: np.ndarray, pairs: Sequence[Pair], block: int, level: float, rng: np.random.Generator
) -> Decided:
    """Give every agent of an undecided pair a block of runs, look, and so on to the last run.

    Args:
        values: `(agents, runs)`, all that it may ask for
        block: runs between two looks
        level: the chance of any false claim
    """
    n_looks = values.shape[1] // block
    undecided, differ, n_runs = np.array(pairs), set[Pair](), np.zeros(len(values), dtype=int)
    sums = np.zeros((_N_PERMUTATIONS, len(pairs)))
    spent = 0.0
    for look in range(n_looks):
        n_runs[np.unique(undecided)] += block
        of_block = values[:, look * block : (look + 1) * block]
        both = np.hstack([of_block[undecided[:, 0]], of_block[undecided[:, 1]]])
        sums = sums + _signs(len(sums), block, rng) @ both.T
        may_spend = level * (look + 1) / n_looks - spent
        rejected, bound, spends = _step_down(np.abs(sums), may_spend)
        differ |= {(int(i), int(j)) for i, j in undecided[rejected]}
        undecided, sums, spent = undecided[~rejected], sums[:, ~rejected], spent + spends
        if not len(undecided):
            break
        sums = sums[np.abs(sums).max(axis=1) <= bound]
    return Decided(frozenset(differ), n_runs)


def _signs(n: int, block: int, rng: np.random.Generator) -> np.ndarray:
    """Of permutations of the runs of two agents `(n, 2 block)`, the first as they are."""
    signs = np.tile(np.repeat([1.0, -1.0], block), (n, 1))
    signs[1:] = rng.permuted(signs[1:], axis=1)
    return signs


def _step_down(sums: np.ndarray, may_spend: float) -> tuple[np.ndarray, float, float]:
    """Reject the largest while it exceeds all but a small share of the largest of permutations.

    Args:
        sums: absolute `(permutations, pairs)`, the observed ones first

    Returns:
        Which pairs are rejected, the bound that the first of the others did not exceed, and the
        share of permutations beyond it.
    """
    order = np.argsort(-sums[0], kind="stable")
    largest = np.maximum.accumulate(sums[:, order[::-1]], axis=1)[:, ::-1]
    place = max(len(sums) - 1 - int(may_spend * _N_PERMUTATIONS + 1e-9), 0)
    rejected, bound = np.zeros(len(order), dtype=bool), np.inf
    for i, pair in enumerate(order):
        bound = float(np.partition(largest[:, i], place)[place])
        if sums[0, pair] <= bound * (1 + 1e-12):
            return rejected, bound, float((largest[:, i] > bound).sum()) / _N_PERMUTATIONS
        rejected[pair] = True
    return rejected, bound, 0.0
