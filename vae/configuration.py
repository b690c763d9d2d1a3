"""A configuration, a trial, and the identity that decides whether a trial has been run."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from vae.datasets import DATASETS
from vae.errors import BadInput
from vae.registry import (
    DECODERS,
    ENCODERS,
    LOSSES,
    TRANSFORMS,
    check_loss_fits,
    check_name,
    check_objective,
)

NLL_FIELDS = ("nll_samples", "nll_images")
"""Fields that are the same for all trials of an experiment, or their nll could not be compared."""

RETURN_SCALE_FIELDS = ("dataset", "loss", "transform")
"""Fields that change what a return measures; across their values only the yardstick compares."""

NUMBERS_VERSION = 2
"""Raised whenever a change to the code alters results, so that old runs are not taken for new."""


FIELDS_ADDED_LATER: dict[str, Any] = {"iwae_samples": 5}
"""Fields that were added when there were trials already, with the values that those were run with.

At that value a field is left out of the identity, so that what was run stays what it is. It is
the field's default, for good: another default would be another field.
"""


def _name(table: Any, kind: str) -> AfterValidator:
    return AfterValidator(lambda value: check_name(table, value, kind))


Finite = Field(allow_inf_nan=False)
PositiveInt = Annotated[int, Field(ge=1, le=2**31 - 1)]
NonNegativeInt = Annotated[int, Field(ge=0, le=2**31 - 1)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]


class Configuration(BaseModel):
    """Everything that determines a trial's numbers except its seed.

    Where and how it runs (workers, device, folders, URIs) is deliberately not here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: Annotated[str, _name(DATASETS, "dataset")] = "mnist"
    encoder: Annotated[str, _name(ENCODERS, "encoder")] = "mlp3"
    decoder: Annotated[str, _name(DECODERS, "decoder")] = "mlp1"
    loss: Annotated[str, _name(LOSSES, "loss")] = "sse"
    transform: Annotated[str, _name(TRANSFORMS, "transform")] = "none"
    beta: Annotated[float, Field(ge=0), Finite] = 1.0
    """Weight of the KL term in training; the return always weighs it 1."""
    hidden_dim: PositiveInt = 400
    latent_dim: PositiveInt = 20
    epochs: PositiveInt = 5
    lr: Annotated[float, Field(gt=0), Finite] = 1e-3
    batch_size: PositiveInt = 100
    weight_decay: Annotated[float, Field(ge=0), Finite] = 1e-5
    val_size: PositiveInt = 10_000
    """Images held out from the end of the training set; the default depends on the data set."""
    nll_samples: PositiveInt = 50
    """K of the yardstick: importance samples per image."""
    nll_images: PositiveInt = 500
    """How many test images, from the first, the yardstick is estimated on."""
    image_every: NonNegativeInt = 1
    """Log sample images every so many epochs and after the last; 0 logs none."""
    images: PositiveInt = 64
    """How many samples a picture shows."""
    iwae_samples: PositiveInt = FIELDS_ADDED_LATER["iwae_samples"]
    """k of loss `iwae`: importance samples per image; of no other loss."""

    @model_validator(mode="before")
    @classmethod
    def _fill_val_size(cls, fields: dict[str, Any]) -> dict[str, Any]:
        data = DATASETS.get(fields.get("dataset", "mnist"))
        return {"val_size": data.val_size, **fields} if data else fields

    @model_validator(mode="after")
    def _check_combination(self) -> Configuration:
        data = DATASETS[self.dataset]
        n_train = data.train_size - self.val_size
        if n_train < 1:
            raise ValueError(
                f"val_size {self.val_size} leaves no training images of the "
                f"{data.train_size} in '{self.dataset}'"
            )
        if self.batch_size > n_train:
            raise ValueError(
                f"batch_size {self.batch_size} is larger than the training set: "
                f"{n_train} images of '{self.dataset}'"
            )
        if self.nll_images > data.test_size:
            raise ValueError(
                f"nll_images {self.nll_images} is larger than the test set: "
                f"{data.test_size} images of '{self.dataset}'"
            )
        check_loss_fits(self.loss, self.transform)
        check_objective(
            self.loss,
            self.beta,
            sets_samples=self.iwae_samples != FIELDS_ADDED_LATER["iwae_samples"],
        )
        return self

    @property
    def samples_layout(self) -> tuple[int, int]:
        """Rows and columns of a picture of samples: a square, or nearly."""
        n_columns = math.ceil(math.sqrt(self.images))
        return math.ceil(self.images / n_columns), n_columns

    @functools.cached_property
    def id(self) -> str:
        """Sixteen hexadecimal digits, the same for equal configurations on every machine."""
        return _identity({"configuration": _identifying(self)})


class Trial(BaseModel):
    """One configuration with one seed: one training, one run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    configuration: Configuration
    seed: Seed

    @functools.cached_property
    def id(self) -> str:
        """Sixteen hexadecimal digits, the same for equal trials on every machine."""
        return _identity({"configuration": _identifying(self.configuration), "seed": self.seed})


def _identifying(configuration: Configuration) -> dict[str, Any]:
    """The fields without those that came later and say nothing new."""
    return {
        name: value
        for name, value in configuration.model_dump().items()
        if name not in FIELDS_ADDED_LATER or value != FIELDS_ADDED_LATER[name]
    }


def _identity(content: dict[str, Any]) -> str:
    canonical = json.dumps(content | {"numbers_version": NUMBERS_VERSION}, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


@functools.cache
def _field_adapter(name: str) -> TypeAdapter[Any]:
    field = Configuration.model_fields[name]
    return TypeAdapter(Annotated[field.annotation, field])  # type: ignore[arg-type]


def check_field(name: str, value: Any) -> Any:
    """Return `value` as configuration field `name` holds it (`"1e-3"` becomes `0.001`).

    Raises:
        BadInput: for an unknown field or a value the field cannot hold.
    """
    check_name(Configuration.model_fields, name, "field")
    if isinstance(value, bool):  # pydantic would read `epochs: yes` as 1
        raise BadInput("should be a number or a name, not yes or no")
    try:
        return _field_adapter(name).validate_python(value)
    except ValidationError as error:
        raise BadInput(explain(error)) from error


def explain(error: ValidationError) -> str:
    """The first complaint of a pydantic error, as one line without pydantic's own furniture."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "missing":
        return f"{place}: is missing"
    cause = first.get("ctx", {}).get("error")
    message = str(cause) if isinstance(cause, ValueError) else first["msg"].lower()
    shown = "" if isinstance(cause, ValueError) else f" (got {first['input']!r})"
    return f"{place}: {message}{shown}" if place else f"{message}{shown}"
