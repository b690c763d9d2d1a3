"""Archives: a trained model as two small files that outlive the code that wrote them.

`weights.safetensors` holds the tensors and nothing that could be executed; `configuration.json`
says what they are of. The bytes depend on the model alone: equal models make equal files. Of the
user's own components it keeps the source, as text: `code/encoder/nets.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors import torch as safetensors
from torch import Tensor

from vae.components import user_code
from vae.components.user_code import Code
from vae.configuration import NUMBERS_VERSION, Trial, explain
from vae.errors import BadInput, at
from vae.layers import Shape
from vae.model import VAE

WEIGHTS, DESCRIPTION, CODE = "weights.safetensors", "configuration.json", "code"
"""The names of the files, and of the folder of the user's own."""

_FORMAT = 1

_MADE = ("encoder", "decoder", "loss", "objective")
"""What of a configuration a model is made of."""


class StoredCode(BaseModel):
    """A `Code` without its texts, which are files below `code/<kind>/`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    module: str
    name: str
    files: tuple[str, ...]
    packages: tuple[tuple[str, str], ...]


class Description(BaseModel):
    """What `configuration.json` says.

    Attributes:
        numbers_version: of the code that trained the model
        shape: (channels, height, width) of the images that it takes
        best_epoch: the epoch after which it was kept, from 1
        weights_sha256: of the other file, so that a damaged one is not taken for a worse model
        code: by kind, the user's own components
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
    code: dict[str, StoredCode] = {}


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
    codes = _codes_of(trial)
    description = Description(
        format=_FORMAT,
        numbers_version=NUMBERS_VERSION,
        trial=trial,
        shape=shape,
        best_epoch=best_epoch,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        code={kind: _without_texts(code) for kind, code in codes.items()},
    )
    text = json.dumps(description.model_dump(mode="json"), indent=2) + "\n"
    sources = {
        _path(kind, path): source.encode()
        for kind, code in codes.items()
        for path, source in code.files
    }
    return {WEIGHTS: weights, DESCRIPTION: text.encode(), **sources}


def _codes_of(trial: Trial) -> dict[str, Code]:
    found = {k: user_code.known(digest) for k, digest in trial.configuration.digests.items()}
    return {kind: code for kind, code in found.items() if code is not None}


def _without_texts(code: Code) -> StoredCode:
    paths = tuple(path for path, _ in code.files)
    return StoredCode(module=code.module, name=code.name, files=paths, packages=code.packages)


def _path(kind: str, path: str) -> str:
    return f"{CODE}/{kind}/{path}"


def unpack(
    files: Mapping[str, bytes],
    device: str = "cpu",
    trust_code: bool = False,
    folder: Path | None = None,
) -> Archived:
    """The model that `pack` packed.

    Args:
        trust_code: execute the archived source of components that are not of this package;
            otherwise nothing from the files is executed
        folder: where the user's own files are, of which those that are the archived ones are
            executed; by default the current one

    Raises:
        BadInput: when they are not an archive, or not a whole one, or need code that is neither
            here nor trusted.
    """
    description = _description(files[DESCRIPTION])
    _find_code(description, files, trust_code, folder or Path.cwd())
    weights = files[WEIGHTS]
    # The header is read before the checksum, to tell a file of another kind from a damaged one.
    tensors = _tensors(weights)
    if hashlib.sha256(weights).hexdigest() != description.weights_sha256:
        raise BadInput(f"{WEIGHTS}: is damaged: its checksum is not the one in {DESCRIPTION}")
    model = _empty_model(description)
    _check_fit(tensors, model.state_dict())
    model.load_state_dict(tensors, assign=True)
    return Archived(model.to(device).eval(), description)


def find_code(
    files: Mapping[str, bytes], trust_code: bool = False, folder: Path | None = None
) -> None:
    """Let this process execute what an archive's trial was trained with; arguments and errors of
    `unpack`. What is not found is missed by whoever loads it.
    """
    _find_code(_description(files[DESCRIPTION]), files, trust_code, folder or Path.cwd())


def _find_code(
    description: Description, files: Mapping[str, bytes], trust_code: bool, folder: Path
) -> None:
    """Let this process execute what the archive's trial was trained with, where it may."""
    configuration = description.trial.configuration
    for kind, stored in description.code.items():
        digest = configuration.digests.get(kind, "")
        if not digest or user_code.known(digest):
            continue
        archived = _with_texts(kind, stored, files)
        # That of a data set is of its images, too: `decoded` compares it.
        if kind != "dataset" and archived.digest != digest:
            raise BadInput(f"{CODE}/{kind}: is damaged: its digest is not the trial's")
        local = user_code.find_local(folder, getattr(configuration, kind))
        if local is not None and local.digest == archived.digest:
            user_code.remember([local], under=digest)
        elif trust_code:
            user_code.remember([archived], under=digest)


def _with_texts(kind: str, stored: StoredCode, files: Mapping[str, bytes]) -> Code:
    try:
        texts = tuple((path, files[_path(kind, path)].decode()) for path in stored.files)
    except (KeyError, UnicodeDecodeError) as error:
        raise BadInput(f"{CODE}/{kind}: lacks a file, or has one that is no text") from error
    return Code(stored.module, stored.name, texts, stored.packages, f"archived/{kind}")


def _empty_model(description: Description) -> VAE:
    """The model before its weights are filled in.

    Networks of this package take no memory for them, however large they claim to be; the user's
    own are made as they were for training, for not everything that a class may do works without.
    """
    configuration = description.trial.configuration
    own = any(configuration.component(kind).is_code for kind in _MADE)
    try:
        with at(DESCRIPTION), torch.device("cpu" if own else "meta"):
            return VAE(configuration, description.shape)
    except Exception as error:
        if isinstance(error, BadInput) or not (own or isinstance(error, RuntimeError)):
            raise
        # Sizes beyond any computer's; or whatever the user's own code raises.
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
