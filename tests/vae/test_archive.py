"""What `pack` writes, `unpack` has back; and nothing else passes for it."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import torch as safetensors

from tests.conftest import REPOSITORY
from vae.archive import DESCRIPTION, WEIGHTS, pack, unpack
from vae.components import registry, user_code
from vae.components.component import check_component
from vae.configuration import Configuration, Trial
from vae.errors import BadInput
from vae.layers import Shape
from vae.model import VAE, fresh_model

SHAPE: Shape = (1, 9, 7)
TRIAL = Trial(configuration=Configuration(hidden_dim=8, latent_dim=3), seed=5)


def a_model(trial: Trial = TRIAL) -> VAE:
    return fresh_model(trial.configuration, SHAPE, seed=trial.seed)


@pytest.fixture
def files() -> dict[str, bytes]:
    return pack(a_model(), TRIAL, SHAPE, best_epoch=4)


@pytest.mark.parametrize("encoder", registry.ENCODERS)
@pytest.mark.parametrize("loss", registry.LOSSES)
def test_a_model_comes_back_to_the_last_bit(encoder: str, loss: str) -> None:
    configuration = Configuration(encoder=encoder, loss=loss, hidden_dim=8, latent_dim=3)
    trial = Trial(configuration=configuration, seed=5)
    model = a_model(trial)
    archived = unpack(pack(model, trial, SHAPE, best_epoch=4))
    assert not archived.model.training
    assert archived.description.trial == trial
    assert archived.description.shape == SHAPE
    assert archived.description.best_epoch == 4
    expected = model.state_dict()
    assert archived.model.state_dict().keys() == expected.keys()
    for name, tensor in archived.model.state_dict().items():
        assert torch.equal(tensor, expected[name])
    x = torch.rand(3, *SHAPE)
    assert torch.equal(archived.model.reconstruct(x), model.eval().reconstruct(x))


def test_equal_models_make_equal_bytes_in_another_process(files: dict[str, bytes]) -> None:
    code = (
        "from tests.vae.test_archive import *\nimport sys\n"
        "sys.stdout.buffer.write(b''.join(pack(a_model(), TRIAL, SHAPE, 4).values()))"
    )
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, cwd=REPOSITORY,
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
        )  # fmt: skip
        assert done.stdout == b"".join(files.values())


def changed(files: dict[str, bytes], **fields: object) -> dict[str, bytes]:
    description = json.loads(files[DESCRIPTION]) | fields
    return files | {DESCRIPTION: json.dumps(description).encode()}


def with_tensors(files: dict[str, bytes], tensors: dict[str, torch.Tensor]) -> dict[str, bytes]:
    """Tampered with by somebody who knows of the checksum."""
    import hashlib

    weights = safetensors.save(tensors)
    digest = hashlib.sha256(weights).hexdigest()
    return changed(files | {WEIGHTS: weights}, weights_sha256=digest)


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 100, 0.5, 0.999])
def test_truncated_weights(files: dict[str, bytes], keep: float) -> None:
    content = files[WEIGHTS]
    torn = content[: int(keep * len(content)) if 0 < keep < 1 else int(keep)]
    with pytest.raises(BadInput, match="truncated"):
        unpack(files | {WEIGHTS: torn})


def test_a_flipped_bit(files: dict[str, bytes]) -> None:
    content = bytearray(files[WEIGHTS])
    content[-1] ^= 1
    with pytest.raises(BadInput, match="damaged"):
        unpack(files | {WEIGHTS: bytes(content)})


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b'{"format": 2}'])
def test_another_description(files: dict[str, bytes], content: bytes) -> None:
    with pytest.raises(BadInput, match=r"configuration\.json: ") as caught:
        unpack(files | {DESCRIPTION: content})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"shape": [1, 9]}, "shape"),
        ({"shape": [1, 0, 7]}, "shape"),
        ({"best_epoch": None}, "best_epoch"),
        ({"trial": {"configuration": {"encoder": "os.system"}, "seed": 0}}, "unknown encoder"),
        ({"more": 1}, "more"),
    ],
)
def test_descriptions_that_do_not_hold(
    files: dict[str, bytes], fields: dict[str, object], said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        unpack(changed(files, **fields))


def test_networks_of_another_size(files: dict[str, bytes]) -> None:
    for hidden_dim, said in (
        (9, r"should be float32 \(9,\), and is float32 \(8,\)"),
        (2**20, "should be float32"),  # four terabytes, of which no byte is asked for
        (2**31 - 1, "cannot be made"),
    ):
        other = TRIAL.model_dump()
        other["configuration"]["hidden_dim"] = hidden_dim
        with pytest.raises(BadInput, match=said):
            unpack(changed(files, trial=other))


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (lambda t: {k: v for k, v in t.items() if k != "encoder.heads.bias"}, "lacks the tensor"),
        (lambda t: t | {"more": torch.zeros(1)}, "has a tensor 'more'"),
        (lambda t: t | {"encoder.heads.bias": torch.zeros(7)}, r"float32 \(6,\), and is .*\(7,\)"),
        (lambda t: {k: v.double() for k, v in t.items()}, "should be float32 .* is float64"),
        (lambda t: {}, "lacks the tensor"),
    ],
    ids=["missing", "extra", "shape", "dtype", "empty"],
)
def test_tensors_that_do_not_fit(files: dict[str, bytes], tamper, said: str) -> None:  # type: ignore[no-untyped-def]
    tensors = tamper(safetensors.load(files[WEIGHTS]))
    with pytest.raises(BadInput, match=said):
        unpack(with_tensors(files, tensors))


class Payload:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.target,)


def test_a_pickle_is_not_run(files: dict[str, bytes], tmp_path: Path) -> None:
    target = tmp_path / "executed"
    torch.save({"weights": Payload(target)}, tmp_path / "torch.pt")
    for content in (pickle.dumps(Payload(target)), (tmp_path / "torch.pt").read_bytes()):
        for name in (WEIGHTS, DESCRIPTION):
            with pytest.raises(BadInput):
                unpack(files | {name: content})
    assert not target.exists()


def test_an_archive_from_before_pictures_moved_still_loads(files: dict[str, bytes]) -> None:
    trial = json.loads(files[DESCRIPTION])["trial"]
    trial["configuration"] |= {"image_every": 5, "images": 64}
    archived = unpack(changed(files, trial=trial, numbers_version=1))
    assert archived.description.trial == TRIAL


def test_an_archive_of_a_built_in_that_is_gone_says_what_it_lacks(
    files: dict[str, bytes],
) -> None:
    trial = json.loads(files[DESCRIPTION])["trial"]
    trial["configuration"]["encoder"] = "mlp7"
    with pytest.raises(BadInput, match="unknown encoder 'mlp7'"):
        unpack(changed(files, trial=trial))


OWN = """
from torch import nn

from vae.distributions import DiagonalNormal


class Own(nn.Module):
    def __init__(self, shape, hidden_dim, latent_dim):
        super().__init__()
        self.heads = nn.Linear(63, 2 * latent_dim)
        self.register_buffer("table", self.heads.weight.detach().abs().sum(0), persistent=False)
        float(self.table.sum())

    def forward(self, x):
        return DiagonalNormal(*self.heads(x.flatten(1)).chunk(2, -1))
"""


def own(folder: Path) -> dict[str, bytes]:
    """An archive of a model whose encoder needs more than a shape to be made."""
    (folder / "nets.py").write_text(OWN)
    encoder = check_component("encoder", "nets.py:Own", folder)
    configuration = Configuration(
        encoder=encoder.value, digests={"encoder": encoder.digest}, hidden_dim=8, latent_dim=3
    )
    trial = Trial(configuration=configuration, seed=5)
    return pack(a_model(trial), trial, SHAPE, best_epoch=4)


def test_the_users_own_source_is_kept_and_its_networks_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = own(tmp_path)
    assert packed["code/encoder/nets.py"].decode() == OWN
    monkeypatch.setattr(user_code, "_known", {})
    with pytest.raises(BadInput, match="somebody's own code"):
        unpack(packed, folder=tmp_path / "elsewhere")
    for folder, trust in ((tmp_path, False), (tmp_path / "elsewhere", True)):
        monkeypatch.setattr(user_code, "_known", {})
        model = unpack(packed, trust_code=trust, folder=folder).model
        assert model.reconstruct(torch.rand(2, *SHAPE)).shape == (2, *SHAPE)


def test_paths_in_an_archive_are_written_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = own(tmp_path)
    monkeypatch.setattr(user_code, "_known", {})
    code = json.loads(packed[DESCRIPTION])["code"]
    code["encoder"]["files"] = ["../../nets.py"]
    moved = changed(packed, code=code) | {"code/encoder/../../nets.py": OWN.encode()}
    with pytest.raises(BadInput, match="nets"):
        unpack(moved, trust_code=True, folder=tmp_path / "elsewhere")
