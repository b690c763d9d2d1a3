"""Optuna's samplers and pruners, as a study plan names them."""

from __future__ import annotations

import hashlib

from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import (
    BaseSampler,
    CmaEsSampler,
    GPSampler,
    QMCSampler,
    RandomSampler,
    TPESampler,
)

from experiments.spec.search_space import REDUCTION


def make_sampler(kind: str, study: str, number: int) -> BaseSampler:
    """A new one for every proposal; what it knows, it reads from the study."""
    digest = hashlib.sha256(f"{study} {number}".encode()).digest()
    seed = int.from_bytes(digest[:4], "big") % (2**31)
    of_study = int.from_bytes(hashlib.sha256(study.encode()).digest()[:4], "big") % (2**31)
    independent = RandomSampler(seed)
    if kind == "tpe":
        return TPESampler(seed=seed, multivariate=True, constant_liar=True)
    if kind == "gp":
        return GPSampler(seed=seed, independent_sampler=independent)
    if kind == "cmaes":
        return CmaEsSampler(
            seed=seed, independent_sampler=independent, warn_independent_sampling=False
        )
    if kind == "qmc":  # one sequence for the study; where in it is kept in the storage
        return QMCSampler(
            scramble=True,
            seed=of_study,
            independent_sampler=independent,
            warn_independent_sampling=False,
        )
    return independent


def make_pruner(kind: str, epochs: int) -> BasePruner:
    if kind == "hyperband":
        return HyperbandPruner(1, epochs, REDUCTION)
    if kind == "median":
        return MedianPruner()
    return NopPruner()
