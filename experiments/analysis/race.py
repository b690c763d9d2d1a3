"""A race: seeds go to the configurations of which something is still undecided, and to no other.

Source of the idea: Maron & Moore 1994, "Hoeffding races"; Birattari et al. 2002, "A racing
algorithm for configuring metaheuristics", whose blocks are problem instances. Here they are seeds.

A race looks at its results after every seed, with the inference of the reports, and is stricter:
what it calls lost, a report of the same results calls worse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.analysis.inference import LOOK_LEVEL, decide

_RIVALS = 5
"""How many of the best configurations a study measures the noise on: bad ones are noisier."""


@dataclass(frozen=True)
class RaceRules:
    """How to race.

    Attributes:
        first: seeds that everybody gets, at least 2
        equal_within: a difference to the best that does not matter
        control: the configuration_id that everybody is held against, instead of the best
    """

    first: int = 2
    equal_within: float | None = None
    control: str | None = None


@dataclass(frozen=True)
class RaceState:
    """How far a race has come.

    Attributes:
        n_seeds: how many seeds every configuration that still races has been given
        racing: the configuration_ids that are to get the next seed; none when it is over
        given: of each configuration_id, how many seeds the race has given it
        lost: of those that have lost, after how many seeds
        settled: of those that neither race nor have lost, why: best, equal, identical, failed;
            with a control also control and better
    """

    n_seeds: int
    racing: tuple[str, ...]
    given: Mapping[str, int]
    lost: Mapping[str, int]
    settled: Mapping[str, str]


Values = Mapping[str, Mapping[int, float | None]]
"""Of each configuration_id, by seed, its value (higher is better), or None where it failed."""


def race(values: Values, seeds: Sequence[int], rules: RaceRules | None = None) -> RaceState:
    """Hold a race with what is known; it stops at the first round with a result missing.

    A function of the results alone, so that a sweep that goes on after a kill sees the same race.
    """
    rules = rules or RaceRules()
    state = RaceState(0, tuple(values), dict.fromkeys(values, 0), {}, {})
    for n in range(1, len(seeds) + 1):
        if not all(seeds[n - 1] in values[c] for c in state.racing):
            break
        given = {c: n if c in state.racing else m for c, m in state.given.items()}
        state = RaceState(n, state.racing, given, state.lost, state.settled)
        if rules.first <= n < len(seeds):
            state = _look(values, seeds, rules, state)
    return state


def _look(values: Values, seeds: Sequence[int], rules: RaceRules, state: RaceState) -> RaceState:
    ids, n = list(values), state.n_seeds
    table = np.full((len(ids), n), np.nan)
    for i, c in enumerate(ids):
        for j in range(state.given[c]):
            value = values[c].get(seeds[j])
            table[i, j] = np.nan if value is None else value
    failed = np.array([None in (values[c].get(s, 0) for s in seeds[: state.given[c]]) for c in ids])
    left = np.array([c not in state.lost and state.settled.get(c) != "better" for c in ids])
    contenders = left & ~failed & np.array([state.given[c] == n for c in ids])
    control = None if rules.control is None else ids.index(rules.control)
    if not contenders.any() or (control is not None and failed[control]):
        return _over(state, ids, failed)
    verdict = decide(
        table, left & ~failed, contenders, control, rules.equal_within, LOOK_LEVEL
    ).verdict
    return _after(state, ids, np.where(failed & left, "failed", verdict))


def _after(state: RaceState, ids: Sequence[str], verdicts: np.ndarray) -> RaceState:
    found = {c: str(verdict) for c, verdict in zip(ids, verdicts, strict=True) if verdict}
    lost = {c: state.n_seeds for c, verdict in found.items() if verdict == "worse"}
    undecided = [c for c, verdict in found.items() if verdict == "not distinguishable"]
    racing = [c for c in found if c in undecided or found[c] in ("best", "control")]
    before = {c: why for c, why in state.settled.items() if why == "better"}
    settled = before | {c: v for c, v in found.items() if c not in lost and c not in undecided}
    if undecided:
        settled = {c: why for c, why in settled.items() if c not in racing}
    return RaceState(
        state.n_seeds,
        tuple(racing) if undecided else (),
        state.given,
        {**state.lost, **lost},
        settled,
    )


def _over(state: RaceState, ids: Sequence[str], failed: np.ndarray) -> RaceState:
    """Nothing is left to be compared with."""
    settled = dict(state.settled) | {c: "failed" for c, f in zip(ids, failed, strict=True) if f}
    return RaceState(state.n_seeds, (), state.given, state.lost, settled)


def lost_to_best(mine: Mapping[int, float], complete: Sequence[Mapping[int, float]]) -> bool:
    """Whether a study's candidate is worse than the best configuration that has all its seeds.

    A look at one candidate alone, not corrected for how many a study has: what is dropped gets no
    seeds any more, but nothing is claimed of it. Claims are made of those that are complete.

    Args:
        mine: the candidate's values by seed, higher is better
        complete: the same of the configurations that have all of their seeds
    """
    rivals = [r for r in complete if all(seed in r for seed in mine)]
    rivals = sorted(rivals, key=lambda r: -float(np.mean(list(r.values()))))[:_RIVALS]
    if not rivals:
        return False
    seeds = sorted(set().union(*rivals))
    table = np.array([[r.get(s, np.nan) for s in seeds] for r in [*rivals, mine]])
    everybody = np.ones(len(table), dtype=bool)
    candidate = np.arange(len(table)) == len(rivals)
    decision = decide(table, candidate, everybody, control=0, level=LOOK_LEVEL)
    return bool(decision.verdict[-1] == "worse")
