from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from experiments.analysis.main_effects import interactions, main_effects
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


def test_an_effect_depends_on_another_axis_only_where_all_else_is_equal() -> None:
    """Encoders differ by 6 at lr 1e-3, by 1 at 1e-2; one loss was run with one lr only."""
    rng = np.random.default_rng(1)
    rows = [
        {"encoder": encoder, "loss": loss, "lr": lr, "latent_dim": latent_dim}
        for encoder in ("mlp1", "mlp3")
        for loss, lr in (("sse", 1e-3), ("sse", 1e-2), ("bce", 1e-2))
        for latent_dim in (2, 8)
    ]
    frame = pd.DataFrame(
        {
            **row,
            "configuration_id": f"c{i}",
            "seed": seed,
            "state": "finished",
            "test/nll": (row["encoder"] == "mlp3") * (6 if row["lr"] == 1e-3 else 1)
            + rng.normal(scale=0.1),
        }
        for i, row in enumerate(rows)
        for seed in range(4)
    )
    found = interactions(frame, "test/nll")
    assert set(found.loc[found["axis"] == "encoder", "other"]) == {"lr"}
    differences = found[found["axis"] == "encoder"].set_index("value")["difference"]
    assert differences[1e-3] == pytest.approx(-6, abs=0.2)
    assert differences[1e-2] == pytest.approx(-1, abs=0.2)
