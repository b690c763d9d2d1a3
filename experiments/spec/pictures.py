"""How often a trial logs pictures, and of how many samples: no part of what it computes."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from vae.components.registry import check_name
from vae.configuration import explain
from vae.errors import BadInput

_MOST = 10
"""Pictures of a trial where its experiment does not say: they are what tracking pays most for."""


class Pictures(BaseModel):
    """The key `pictures` of an experiment file.

    Attributes:
        every: so many epochs, and after the last; 0 for none, None for at most ten a trial
        samples: shown in one picture
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    every: Annotated[int, Field(ge=0, le=2**31 - 1, strict=True)] | None = None
    samples: Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)] = 64

    @model_validator(mode="before")
    @classmethod
    def _check_keys(cls, raw: Any) -> Any:
        for key in raw if isinstance(raw, dict) else ():
            check_name(cls.model_fields, str(key), "key")
        return raw

    def with_value(self, key: str, value: Any) -> Pictures:
        """The same with another value of a key; BadInput for a key or a value that cannot be."""
        try:
            return Pictures.model_validate({**self.model_dump(), key: value})
        except ValidationError as error:
            raise BadInput(explain(error)) from error

    def is_due(self, epoch: int, epochs: int) -> bool:
        """Whether pictures follow `epoch` of a training of `epochs`, counted from 1."""
        if self.every is not None:
            return bool(self.every) and (epoch % self.every == 0 or epoch == epochs)
        if epochs <= _MOST:
            return True
        return epoch in {1 + round(i * (epochs - 1) / (_MOST - 1)) for i in range(_MOST)}

    @property
    def layout(self) -> tuple[int, int]:
        """Rows and columns of the samples: a square, or nearly."""
        n_columns = math.ceil(math.sqrt(self.samples))
        return math.ceil(self.samples / n_columns), n_columns
