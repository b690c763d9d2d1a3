"""The columns of a frame of trials."""

from __future__ import annotations

import pandas as pd

from vae.configuration import Configuration


def varying_fields(trials: pd.DataFrame) -> list[str]:
    """The configuration fields that differ between the rows, in the order of the configuration."""
    return [field for field in Configuration.model_fields if trials[field].nunique() > 1]
