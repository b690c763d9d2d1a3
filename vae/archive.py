"""Archives: a trained model as two small files that outlive the code that wrote them.

`weights.safetensors` holds the tensors and nothing that could be executed; `configuration.json`
says what they are of. The bytes depend on the model alone: equal models make equal files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor

from vae.configuration import NUMBERS_VERSION, Trial, explain
from vae.errors import BadInput
from vae.layers import Shape
from vae.model import VAE

WEIGHTS, DESCRIPTION = "weights.safetensors", "configuration.json"
"""The names of the files."""

_FORMAT = 1


class Description(BaseModel):
    """What `configuration.json` says.

    Attributes:
        numbers_version: of the code that trained the model
        shape: (channels, height, width) of the images that it takes
        best_epoch: the epoch after which it was kept, from 1
        weights_sha256: of the other file, so that a damaged one is not taken for a worse model
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    numbers_version: int
    trial: Trial
    shape: tuple[
        Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]
    ]
    best_epoch: Annotated[int, Field(ge=1)]
    weights_sha256: str


@dataclass(frozen=True)
class Archived:
    """A model that was had back, in eval mode, and what it is."""

    model: VAE
    description: Description


def pack(model: VAE, trial: Trial, shape: Shape, best_epoch: int) -> dict[str, bytes]:
    """The content of an archive's files, by name."""
    tensors = {name: tensor.cpu().contiguous() for name, tensor in model.state_dict().items()}
    # Without metadata, which safetensors writes in another order in every process.
    weights = safetensors.save(tensors)
    description = Description(
        format=_FORMAT,
        numbers_version=NUMBERS_VERSION,
        trial=trial,
        shape=shape,
        best_epoch=best_epoch,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
    )
    text = json.dumps(description.model_dump(mode="json"), indent=2) + "\n"
    return {WEIGHTS: weights, DESCRIPTION: text.encode()}


def unpack(files: Mapping[str, bytes], device: str = "cpu") -> Archived:
    """The model that `pack` packed; executes nothing from the files.

    Raises:
        BadInput: when they are not an archive, or not a whole one.
    """
    description = _description(files[DESCRIPTION])
    weights = files[WEIGHTS]
    # The header is read before the checksum, to tell a file of another kind from a damaged one.
    tensors = _tensors(weights)
    if hashlib.sha256(weights).hexdigest() != description.weights_sha256:
        raise BadInput(f"{WEIGHTS}: is damaged: its checksum is not the one in {DESCRIPTION}")
    model = _hollow(description)
    _check_fit(tensors, model.state_dict())
    model.load_state_dict(tensors, assign=True)
    return Archived(model.to(device).eval(), description)


def _hollow(description: Description) -> VAE:
    """The model's networks without memory for their weights, however large they claim to be."""
    try:
        with torch.device("meta"):
            return VAE(description.trial.configuration, description.shape)
    except RuntimeError as error:  # sizes beyond any computer's
        raise BadInput(f"{DESCRIPTION}: its networks cannot be made: {_one_line(error)}") from error


def _description(content: bytes) -> Description:
    try:
        raw = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{DESCRIPTION}: is not JSON: truncated, or not of an archive") from error
    found = raw.get("format") if isinstance(raw, dict) else None
    if found != _FORMAT:
        raise BadInput(f"{DESCRIPTION}: has format {found!r}; this code reads format {_FORMAT}")
    try:
        return Description.model_validate(raw)
    except ValidationError as error:
        raise BadInput(f"{DESCRIPTION}: {explain(error)}") from error


def _tensors(content: bytes) -> dict[str, Tensor]:
    try:
        tensors = safetensors.load(content)
    except (SafetensorError, ValueError, KeyError) as error:  # KeyError: a dtype without a name
        raise BadInput(
            f"{WEIGHTS}: is truncated or not a safetensors file ({_one_line(error)})"
        ) from error
    # Into memory of torch's own alignment, on which the order of a processor's sums can depend.
    return {name: tensor.clone() for name, tensor in tensors.items()}


def _check_fit(found: Mapping[str, Tensor], expected: Mapping[str, Any]) -> None:
    """Raise BadInput unless every tensor is there, of the right shape and type, and no other."""
    for missing in sorted(expected.keys() - found.keys()):
        raise BadInput(f"{WEIGHTS}: lacks the tensor '{missing}' of its configuration's networks")
    for extra in sorted(found.keys() - expected.keys()):
        raise BadInput(f"{WEIGHTS}: has a tensor '{extra}' that its networks do not have")
    for name, tensor in sorted(found.items()):
        got, wanted = _kind(tensor), _kind(expected[name])
        if got != wanted:
            raise BadInput(f"{WEIGHTS}: the tensor '{name}' should be {wanted}, and is {got}")


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:100]
