"""A configuration, a trial, and the identity that decides whether a trial has been run."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    TypeAdapter,
    ValidationError,
    model_serializer,
    model_validator,
)

from vae.components.component import Component
from vae.components.registry import KINDS, check_name
from vae.components.signatures import with_tuples
from vae.consistency import check_consistency
from vae.data.datasets import describe
from vae.data.source import DataSet
from vae.errors import BadInput
from vae.resolution import all_options, check_named, checked_before, own_options, resolve_components

NLL_FIELDS = ("nll_samples", "nll_images")
"""Fields that are the same for all trials of an experiment, or their nll could not be compared."""

RETURN_SCALE_FIELDS = ("dataset", "loss", "transform")
"""Fields that change what a return measures; across their values only the yardstick compares."""

NUMBERS_VERSION = 2
"""Raised whenever a change to the code alters results, so that old runs are not taken for new."""


FIELDS_ADDED_LATER: dict[str, Any] = {
    "objective": "elbo",
    "beta_schedule": "constant",
    "free_bits": 0.0,
    "optimizer": "adamw",
    "lr_schedule": "constant",
    "grad_clip": 0.0,
    "patience": 0,
}
"""Fields that were added when there were trials already, with the values that those were run with.

At that value a field is left out of the identity, so that what was run stays what it is. It is
the field's default, for good: another default would be another field.
"""

_NOTHING = object()

_MOVED = {
    "image_every": "pictures belong to the experiment now: write `pictures: {every: N}` as a key "
    "of its own (0 for none), beside `fixed`",
    "iwae_samples": "write `objective: iwae` and `objective.samples: 5`",
    "images": "pictures belong to the experiment now: write `pictures: {samples: N}` as a key of "
    "its own, beside `fixed`",
}
"""Fields that there were once, with what to write instead."""

Finite = Field(allow_inf_nan=False)
PositiveInt = Annotated[int, Field(ge=1, le=2**31 - 1)]
NonNegativeInt = Annotated[int, Field(ge=0, le=2**31 - 1)]
ComponentName = Annotated[str, Field(min_length=1)]
"""A value of a field in `registry.KINDS`, which `Configuration` checks with its options."""
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]


class Configuration(BaseModel):
    """Everything that determines a trial's numbers except its seed.

    What is the user's own comes with its digest: files are read by `check_named` alone.
    Where and how it runs (workers, device, folders, URIs) is deliberately not here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: ComponentName = "mnist"
    encoder: ComponentName = "mlp3"
    decoder: ComponentName = "mlp1"
    loss: ComponentName = "sse"
    transform: ComponentName = "none"
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
    """How many images, from the first, the yardstick is estimated on: of the test set, and of the
    validation set if it has so many. The default is less for a test set that has not."""
    objective: ComponentName = "elbo"
    """What of the likelihood training minimises."""
    beta_schedule: ComponentName = "constant"
    free_bits: Annotated[float, Field(ge=0), Finite] = 0.0
    """Nats that each latent dimension may cost for nothing; of objective `elbo`."""
    optimizer: ComponentName = "adamw"
    lr_schedule: ComponentName = "constant"
    grad_clip: Annotated[float, Field(ge=0), Finite] = 0.0
    """The longest that a step's gradient may be, all parameters together; 0 for any length."""
    patience: NonNegativeInt = 0
    """Epochs without a better validation return after which the trial is finished; 0 for none."""

    options: dict[str, Any] = {}
    """Every option of its components, by its whole name: `encoder.width`."""
    digests: dict[str, str] = {}
    """By field, the digest of the user's own code or data that it names."""

    @model_validator(mode="before")
    @classmethod
    def _resolve_components(cls, raw: Any) -> Any:
        """Options may be given as fields, `{"encoder.width": 800}`; those left out are added."""
        if not isinstance(raw, dict):
            return raw
        raw = as_written_today(raw)
        fields = {n: v for n, v in raw.items() if "." not in n}
        given = {**fields.pop("options", {}), **{n: v for n, v in raw.items() if "." in n}}
        digests = fields.pop("digests", {})
        defaults = {kind: cls.model_fields[kind].default for kind in KINDS}
        components = resolve_components(defaults | fields, given, digests)
        data = describe(components["dataset"]) if "dataset" in components else None
        return {
            **(default_sizes(data) if data else {}),
            **fields,
            **{kind: component.value for kind, component in components.items()},
            "options": all_options(components.values()),
            "digests": {k: c.digest for k, c in components.items() if c.digest},
        }

    @model_serializer(mode="wrap")
    def _flat(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = serialize(self)
        options, digests = fields.pop("options"), fields.pop("digests")
        return fields | options | ({"digests": digests} if digests else {})

    @model_validator(mode="after")
    def _check_combination(self) -> Configuration:
        self._check_sizes()
        data = describe(self.component("dataset"))
        check_consistency(self, data.shape if data else None)
        return self

    def _check_sizes(self) -> None:
        data = describe(self.component("dataset"))
        if data is None:  # the user's own, on another machine
            return
        n_train = data.train_size - self.val_size
        if data.val_is_given and self.val_size != data.val_size:
            raise ValueError(
                f"val_size {self.val_size}: '{self.dataset}' has {data.val_size} validation images "
                f"of its own; leave val_size out"
            )
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

    def component(self, kind: str) -> Component:
        """What the field `kind` names, with its options."""
        named = checked_before(kind, getattr(self, kind), self.digests.get(kind))
        return named.with_options(own_options(kind, self.options))

    @functools.cached_property
    def flat(self) -> dict[str, Any]:
        """Every field, and every option of the components that are used, by name."""
        return {n: v for n, v in self.model_dump().items() if n != "digests"}

    @property
    def code_digest(self) -> str:
        """Of all code of the user's own together: of one component, that of the component."""
        digests = {kind: d for kind, d in self.digests.items() if kind != "dataset"}
        if len(set(digests.values())) <= 1:
            return next(iter(digests.values()), "")
        return hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()[:16]

    def __hash__(self) -> int:
        return hash(self.id)

    @functools.cached_property
    def id(self) -> str:
        """Sixteen hexadecimal digits, the same for equal configurations on every machine."""
        return _identity({"configuration": self._identifying})

    @functools.cached_property
    def _identifying(self) -> dict[str, Any]:
        """What its identity, and that of its trials, is of."""
        return _identifying(self)


class Trial(BaseModel):
    """One configuration with one seed: one training, one run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    configuration: Configuration
    seed: Seed

    @functools.cached_property
    def id(self) -> str:
        """Sixteen hexadecimal digits, the same for equal trials on every machine."""
        return _identity({"configuration": self.configuration._identifying, "seed": self.seed})


def default_sizes(data: DataSet) -> dict[str, int]:
    """The defaults that a data set determines."""
    usual: int = Configuration.model_fields["nll_images"].default
    return {"val_size": data.val_size, "nll_images": min(usual, data.test_size)}


def _identifying(configuration: Configuration) -> dict[str, Any]:
    """What tells the configuration from others, without what came later and says nothing new."""
    # Not by iterating over it, which would also give what is cached in it by now.
    plain = Configuration.model_fields.keys() - {"options", "digests"}
    fields = {
        name: getattr(configuration, name)
        for name in plain
        if getattr(configuration, name) != FIELDS_ADDED_LATER.get(name, _NOTHING)
    }
    for kind in KINDS:
        component = configuration.component(kind)
        if component.value != FIELDS_ADDED_LATER.get(kind, _NOTHING):
            fields[kind] = component.identifying_value
        # A built-in may get options later; the user's own are other code then.
        fields |= all_options([component if component.is_code else component.without_defaults()])
    return fields | ({"digests": configuration.digests} if configuration.digests else {})


def _identity(content: dict[str, Any]) -> str:
    canonical = json.dumps(content | {"numbers_version": NUMBERS_VERSION}, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


@functools.cache
def _field_adapter(name: str) -> TypeAdapter[Any]:
    field = Configuration.model_fields[name]
    return TypeAdapter(Annotated[field.annotation, field])  # type: ignore[arg-type]


def check_field(name: str, value: Any, base_folder: Path | None = None) -> Any:
    """Return `value` as configuration field `name` holds it (`"1e-3"` becomes `0.001`).

    The value of an option stays as it is: which type it has to be depends on the component.

    Args:
        base_folder: that the user's own files are relative to; by default the current one

    Raises:
        BadInput: for an unknown field or a value the field cannot hold.
    """
    check_field_name(name)
    if "." in name:
        return with_tuples(value)
    if isinstance(value, bool):  # pydantic would read `epochs: yes` as 1
        raise BadInput("should be a number or a name, not yes or no")
    try:
        checked = _field_adapter(name).validate_python(value)
    except ValidationError as error:
        raise BadInput(explain(error)) from error
    return check_named(name, checked, base_folder).value if name in KINDS else checked


def as_written_today(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a stored configuration without what has moved out of configurations since."""
    fields = {name: value for name, value in stored.items() if name not in _MOVED}
    if "iwae_samples" in stored and stored.get("loss") == "iwae":  # it was a loss then
        fields |= {"loss": "bce", "objective": "iwae"}
        fields["objective.samples"] = stored["iwae_samples"]
    return fields


def check_field_name(name: str) -> None:
    """Raise BadInput unless `name` is a field or can be an option."""
    kind, dot, _ = name.partition(".")
    if dot:
        check_name(KINDS, kind, "component")
    elif name in _MOVED:
        raise BadInput(_MOVED[name])
    else:
        check_name(Configuration.model_fields.keys() - {"digests", "options"}, name, "field")


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
