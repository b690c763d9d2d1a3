"""A race: seeds go to the configurations of which something is still undecided, and to no other.

Source of the idea: Maron & Moore 1994, "Hoeffding races"; Birattari et al. 2002, "A racing
algorithm for configuring metaheuristics", whose blocks are problem instances. Here they are seeds.

A race looks at its results after every seed, with the inference of the reports but more strictly
(`LOOK_LEVEL`): what it calls lost, a report of the same results calls worse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from experiments.analysis.inference import LOOK_LEVEL, UNKNOWN, decide
from experiments.spec.racing import Racing

_RIVALS = 5
"""How many of the best configurations a study measures the noise on: bad ones are noisier."""

Values = Mapping[str, Mapping[int, float | None]]
"""Of each configuration_id, by seed, its value (higher is better), or None where it failed."""


@dataclass(frozen=True)
class RaceState:
    """How far a race has come.

    Attributes:
        n_seeds: how many seeds every configuration that still races has been given
        racing: the configuration_ids that are to get the next seed; none when the race is over
        given: of each configuration_id, how many seeds the race has given it
        lost: of those that have lost, after how many seeds
        settled: why the others do not race: best, equal, identical, failed or, where all seeds
            are given, not distinguishable; with a control also control and better
    """

    n_seeds: int
    racing: tuple[str, ...]
    given: Mapping[str, int]
    lost: Mapping[str, int] = field(default_factory=dict)
    settled: Mapping[str, str] = field(default_factory=dict)


def race(values: Values, seeds: Sequence[int], rules: Racing | None = None) -> RaceState:
    """Hold a race with what is known; it stops at the first round with a result missing.

    A function of the results alone, so that a sweep that goes on after a kill sees the same race.
    Who failed with a seed races no further: it can no longer be the best. Whoever is equal or
    identical to the best rests, and races again if another becomes the best; of twins, one races
    for both.
    """
    rules = rules or Racing()
    state = RaceState(0, tuple(values), dict.fromkeys(values, 0))
    for n in range(1, len(seeds) + 1):
        if not state.racing or not all(seeds[n - 1] in values[c] for c in state.racing):
            break
        given = {c: n if c in state.racing else m for c, m in state.given.items()}
        state = replace(state, n_seeds=n, given=given)
        if rules.first <= n < len(seeds):
            state = _look(values, seeds, rules, state)
    if state.n_seeds == len(seeds) and state.racing:
        rest = dict.fromkeys(state.racing, UNKNOWN)
        state = replace(state, racing=(), settled={**rest, **state.settled})
    return state


def _look(values: Values, seeds: Sequence[int], rules: Racing, state: RaceState) -> RaceState:
    """Decide what can be decided after a round."""
    ids, n = list(values), state.n_seeds
    known = [[values[c].get(seed) for seed in seeds[: state.given[c]]] for c in ids]
    table = np.full((len(ids), n), np.nan)
    for row, of_seeds in zip(table, known, strict=True):
        row[: len(of_seeds)] = [np.nan if value is None else value for value in of_seeds]
    failed = np.array([None in of_seeds for of_seeds in known])
    won = {c: why for c, why in state.settled.items() if why == "better"}
    family = np.array([c not in state.lost and c not in won for c in ids]) & ~failed
    whole = family & np.array([state.given[c] == n for c in ids])
    control = None if rules.control is None else ids.index(rules.control)
    settled = won | {c: "failed" for c, f in zip(ids, failed, strict=True) if f}
    if not whole.any() or (control is not None and failed[control]):
        rest = {c: UNKNOWN for c in ids if c not in state.lost and c not in settled}
        return replace(state, racing=(), settled=settled | rest)
    decision = decide(table, family, whole, control, rules.equal_within, LOOK_LEVEL)
    found = {c: str(verdict) for c, verdict in zip(ids, decision.verdict, strict=True) if verdict}
    lost = {c: n for c, verdict in found.items() if verdict == "worse"}
    resting = {c for c, distinct in zip(ids, decision.noise.distinct, strict=True) if not distinct}
    undecided = [c for c, verdict in found.items() if verdict == UNKNOWN and c not in resting]
    racing = tuple(c for c in found if c in undecided or found[c] in ("best", "control"))
    racing = racing if undecided else ()
    settled |= {c: why for c, why in found.items() if c not in racing and c not in lost}
    return replace(state, racing=racing, lost={**state.lost, **lost}, settled=settled)


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
