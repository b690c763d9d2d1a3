"""Main effects: what changing one axis does, all else equal, and where that depends on another."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from experiments.analysis.checks import check_trials
from experiments.analysis.contrast import Contrasts
from experiments.analysis.inference import LEVEL
from experiments.analysis.statistics import holm
from experiments.analysis.trial_columns import (
    EXPERIMENT,
    NOT_TAKEN,
    VERSIONS,
    comparable,
    varying_fields,
    with_options_filled,
    with_other_code,
)
from experiments.metrics import find_criterion, find_metric
from vae.configuration import NLL_FIELDS

_MOST_VALUES = 10

_EFFECT = (
    "axis", "better", "worse", "difference", "difference_low", "difference_high", "n_pairs",
    "n_seeds", "p", "p_corrected",
)  # fmt: skip

_INTERACTION = (
    "axis", "better", "worse", "other", "value", "difference", "difference_low",
    "difference_high", "p_corrected",
)  # fmt: skip


def main_effects(trials: pd.DataFrame, metric: str) -> pd.DataFrame:
    """What changing one axis does, all else equal: a mean difference for every two values.

    Configurations are paired that differ in this axis alone. Their means are least-squares
    estimates that take away the effects of seeds, so that it does not matter which values a race
    or a failure left out. For a return, the axes that change what it measures are left out; so
    are axes of more than ten values, which are continua rather than alternatives, and of which
    one would look at every pair.

    Returns:
        One row per axis and pair of its values. Columns: `axis`, `better`, `worse` (by the sign
        of the mean), `difference` (`better` minus `worse`), `difference_low`, `difference_high`
        (95 %, of each difference alone), `n_pairs` (trials paired), `n_seeds`, `p`,
        `p_corrected` (Holm, over all rows).

    Raises:
        BadInput: for a metric that ranks nothing.
    """
    check_trials(trials, [metric])
    find_criterion(metric)
    design = _Design.of(trials, metric)
    rows = [effect.row(design) for effect in design.effects()]
    frame = pd.DataFrame(rows, columns=[*_EFFECT[:-1]])
    frame["p_corrected"] = holm(frame["p"].to_numpy(dtype=float))
    return frame


def interactions(trials: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Where one cannot speak of a main effect: with some value of another axis it is less than
    half of what it is with another, or the other way round, and that is no chance.

    Returns:
        One row per effect of that kind and value of the other axis. Columns: `axis`, `better`,
        `worse` (as in `main_effects`), `other` (the other axis), `value` (of it), `difference`
        (`better` minus `worse` there), `difference_low`, `difference_high` (95 %), `p_corrected`
        (of the largest against the smallest; Bonferroni, over everything that was looked at).
    """
    design = _Design.of(trials, metric)
    found, n_looks = [], 0
    for effect in design.effects():
        for other in design.axes:
            if other != effect.axis and not other.startswith(f"{effect.axis}."):
                parts = effect.by(other, design)
                n_looks += len(parts) * (len(parts) - 1) // 2
                if len(parts) > 1:
                    found.append((effect, other, parts))
    rows = [
        row
        for effect, other, parts in found
        for row in _interaction_rows(design, effect, other, parts, n_looks)
    ]
    return pd.DataFrame(rows, columns=[*_INTERACTION])


def _interaction_rows(
    design: _Design, effect: _Effect, other: str, parts: Mapping[Any, np.ndarray], n_looks: int
) -> Iterator[dict[str, object]]:
    contrasts = {value: design.contrasts.of(weights) for value, weights in parts.items()}
    sign = design.sign
    ranked = sorted(contrasts, key=lambda value: sign * contrasts[value].value)
    smallest, largest = contrasts[ranked[0]].value, contrasts[ranked[-1]].value
    if sign * smallest >= 0.5 * sign * largest:
        return
    p = design.contrasts.of(parts[ranked[-1]] - parts[ranked[0]]).p * n_looks
    if not p < LEVEL:
        return
    for value in reversed(ranked):
        low, high = contrasts[value].interval
        yield {
            "axis": effect.axis,
            "better": effect.better,
            "worse": effect.worse,
            "other": other,
            "value": value,
            "difference": contrasts[value].value,
            "difference_low": low,
            "difference_high": high,
            "p_corrected": p,
        }


# ------------------------------------------------------------------------- the design


@dataclass(frozen=True)
class _Effect:
    """Attributes: pairs: the indices of configurations that differ in the axis alone"""

    axis: str
    better: Any
    worse: Any
    pairs: Sequence[tuple[int, int]]

    def weights(self, n_cells: int) -> np.ndarray:
        return _weights(self.pairs, n_cells)

    def row(self, design: _Design) -> dict[str, object]:
        found = design.contrasts.of(self.weights(len(design.cells)))
        both = [design.known[i] & design.known[j] for i, j in self.pairs]
        low, high = found.interval
        return {
            "axis": self.axis,
            "better": self.better,
            "worse": self.worse,
            "difference": found.value,
            "difference_low": low,
            "difference_high": high,
            "n_pairs": int(sum(seeds.sum() for seeds in both)),
            "n_seeds": int(np.any(both, axis=0).sum()),
            "p": found.p,
        }

    def by(self, other: str, design: _Design) -> dict[Any, np.ndarray]:
        """The weights of the effect with each value of another axis, all else equal: over what
        there is with every value, since elsewhere the effect may be another for other reasons.
        """
        of_value = design.cells[other].to_numpy()
        kin = (self.axis, other, f"{self.axis}.", f"{other}.")
        rest = [n for n in design.varying if n not in kin[:2] and not n.startswith(kin[2:])]
        keys = list(design.cells[rest].itertuples(index=False, name=None))
        pairs: dict[Any, dict[tuple[Any, ...], list[tuple[int, int]]]] = {}
        for i, j in self.pairs:
            if of_value[i] == of_value[j] and of_value[i] != NOT_TAKEN:
                pairs.setdefault(of_value[i], {}).setdefault(keys[i], []).append((i, j))
        shared = set.intersection(*map(set, pairs.values())) if pairs else set()
        if not shared:
            return {}
        return {
            value: _weights([pair for key in shared for pair in those[key]], len(design.cells))
            for value, those in pairs.items()
        }


def _weights(pairs: Sequence[tuple[int, int]], n_cells: int) -> np.ndarray:
    weights = np.zeros(n_cells)
    for better, worse in pairs:
        weights[better] += 1 / len(pairs)
        weights[worse] -= 1 / len(pairs)
    return weights


@dataclass(frozen=True)
class _Design:
    """The configurations with a value, one a row, and what they are crossed in.

    Attributes:
        axes: that may have effects, or change those of others
        scale: the columns in which two have to agree
        sign: 1 where higher is better
    """

    cells: pd.DataFrame
    axes: Sequence[str]
    scale: Sequence[str]
    varying: Sequence[str]
    known: np.ndarray
    contrasts: Contrasts
    sign: int

    @classmethod
    def of(cls, trials: pd.DataFrame, metric: str) -> _Design:
        trials = with_other_code(trials)
        finished = trials[(trials["state"] == "finished") & np.isfinite(trials[metric])]
        finished = with_options_filled(finished)
        varying = _axes(trials)
        scale = comparable(finished, find_metric(metric).scale)
        cells = finished.drop_duplicates("configuration_id").reset_index(drop=True)
        pivot = finished.pivot(index="configuration_id", columns="seed", values=metric)
        table = pivot.reindex(cells["configuration_id"]).to_numpy(dtype=float)
        group = cells.groupby(list(scale), sort=False).ngroup() if scale else cells.index * 0
        axes = [
            axis
            for axis in varying
            if axis not in ("dataset", *NLL_FIELDS) and cells[axis].nunique() <= _MOST_VALUES
        ]
        return cls(
            cells=cells,
            axes=axes,
            scale=scale,
            varying=varying,
            known=~np.isnan(table),
            contrasts=Contrasts(table, np.asarray(group)),
            sign=find_metric(metric).sign,
        )

    def effects(self) -> Iterator[_Effect]:
        for axis in self.axes:
            if axis not in self.scale:
                yield from self._effects_of(axis)

    def _effects_of(self, axis: str) -> Iterator[_Effect]:
        """Of a component's options, every value counts as that component."""
        others = [n for n in self.varying if n != axis and not n.startswith(f"{axis}.")]
        rest = [*others, *(name for name in self.scale if name not in others)]
        cells = self.cells[self.cells[axis] != NOT_TAKEN]
        places: dict[Any, dict[tuple[Any, ...], int]] = {}
        for i, value, *key in cells[[axis, *rest]].itertuples(name=None):
            places.setdefault(value, {})[tuple(key)] = i
        for first, second in itertools.combinations(_in_order(places), 2):
            shared = places[first].keys() & places[second].keys()
            pairs = [(places[first][key], places[second][key]) for key in sorted(shared, key=str)]
            if not pairs:
                continue
            ahead = self.contrasts.of(_weights(pairs, len(self.cells))).value * self.sign
            if ahead > 0:
                yield _Effect(axis, first, second, pairs)
            else:
                yield _Effect(axis, second, first, [(j, i) for i, j in pairs])


def _axes(trials: pd.DataFrame) -> list[str]:
    """No number depends on which experiment asked for it: unless a configuration is in several,
    what differs in one field alone is compared across them.
    """
    varying = [name for name in varying_fields(trials) if name not in VERSIONS]
    fields = [name for name in varying if name != EXPERIMENT]
    first = trials.drop_duplicates("configuration_id")
    in_several = bool(first.duplicated(fields).any()) if fields else len(first) > 1
    return varying if in_several else fields


def _in_order(values: Mapping[Any, object]) -> list[Any]:
    return sorted(values, key=lambda value: (isinstance(value, str), value))
