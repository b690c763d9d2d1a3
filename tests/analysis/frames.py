"""Frames of trials, as `load_trials` returns them, without a sweep."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from vae.configuration import Configuration


def trials(*rows: tuple[str, int, str, float]) -> pd.DataFrame:
    """A frame as `load_trials` returns it: (encoder, seed, state, return) of each trial."""
    records = []
    for encoder, seed, state, value in rows:
        configuration = Configuration(encoder=encoder)
        records.append(
            {
                "trial_id": f"{encoder}{seed}",
                "configuration_id": configuration.id,
                "seed": seed,
                "state": state,
                "error": "",
                **configuration.model_dump(),
                "return": value,
            }
        )
    return pd.DataFrame(records)


GOLDEN = trials(
    ("mlp1", 0, "finished", -30.0),
    ("mlp1", 1, "finished", -32.0),
    ("mlp1", 2, "finished", -31.0),
    ("mlp3", 0, "finished", -28.0),
    ("mlp3", 1, "failed", math.nan),
    ("conv", 0, "missing", math.nan),
)


def grid(
    rng: np.random.Generator, n_configurations: int, n_seeds: int, effect: float = 0.0
) -> pd.DataFrame:
    """Trials whose seeds share luck; every configuration but the first is worse by `effect`."""
    luck = rng.normal(size=n_seeds)
    records = []
    for k in range(n_configurations):
        configuration = Configuration(latent_dim=k + 1)
        for seed in range(n_seeds):
            value = luck[seed] + rng.normal() - (effect if k else 0)
            records.append(
                {
                    "configuration_id": configuration.id,
                    "seed": seed,
                    "state": "finished",
                    **configuration.model_dump(),
                    "return": value,
                }
            )
    return pd.DataFrame(records)
