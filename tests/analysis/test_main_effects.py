from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from experiments.analysis.main_effects import main_effects
from tests.analysis.test_statistics import GOLDEN


def test_main_effects_recover_what_was_put_in() -> None:
    from vae.configuration import Configuration

    rng = np.random.default_rng(0)
    rows = []
    for encoder in ("mlp1", "mlp3"):
        for latent_dim in (2, 8, 16):
            for seed in range(6):
                configuration = Configuration(encoder=encoder, latent_dim=latent_dim)
                value = 5 * (encoder == "mlp3") - latent_dim + rng.normal() * 0.1
                rows.append(
                    {
                        "configuration_id": configuration.id,
                        "seed": seed,
                        "state": "finished",
                        **configuration.model_dump(),
                        "return": value,
                    }
                )
    effects = main_effects(pd.DataFrame(rows), "return")
    assert len(effects) == 1 + 3
    (effect,) = effects[effects["axis"] == "encoder"].to_dict("records")
    assert (effect["better"], effect["worse"]) == ("mlp3", "mlp1")
    assert effect["difference"] == pytest.approx(5, abs=0.2)
    assert 4 < effect["difference_low"] < effect["difference"] < effect["difference_high"] < 6
    assert (effect["n_pairs"], effect["n_seeds"]) == (18, 6)
    latent = effects[effects["axis"] == "latent_dim"]
    assert list(zip(latent["better"], latent["worse"], strict=True)) == [(2, 8), (2, 16), (8, 16)]
    assert list(latent["difference"].round()) == [6, 14, 8]


def test_axes_that_change_the_scale_have_no_effect_on_the_return() -> None:
    frame = pd.concat([GOLDEN, GOLDEN.assign(loss="bce", configuration_id="x" + GOLDEN["encoder"])])
    frame = frame.assign(**{"test/nll": -frame["return"]})
    assert "loss" not in set(main_effects(frame, "return")["axis"])
    assert "loss" in set(main_effects(frame, "test/nll")["axis"])
