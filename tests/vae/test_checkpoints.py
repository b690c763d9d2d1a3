from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch

from tests.vae.test_training import SMALL, splits, start
from vae import checkpoints
from vae.checkpoints import UnusableCheckpoint
from vae.training import fit


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    training = start()
    list(fit(training, splits(), 2))
    checkpoints.save(training, tmp_path / "c.pt")
    return tmp_path / "c.pt"


def test_saving_leaves_one_file(saved: Path) -> None:
    assert list(saved.parent.iterdir()) == [saved]


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.99])
def test_a_torn_file_is_recognised(saved: Path, keep: float) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(keep * len(content)) if keep < 1 else int(keep)])
    with pytest.raises(UnusableCheckpoint):
        checkpoints.load(start(), saved)


@pytest.mark.parametrize("content", [b"hello", b"\x80", b"PK\x03\x04", b"(lp0\n", bytes(100)])
def test_any_other_file_is_recognised(saved: Path, content: bytes) -> None:
    saved.write_bytes(content)
    with pytest.raises(UnusableCheckpoint):
        checkpoints.load(start(), saved)


def test_another_trial_s_checkpoint_is_refused(saved: Path) -> None:
    with pytest.raises(UnusableCheckpoint, match="another trial"):
        checkpoints.load(start(seed=1), saved)


def test_an_outdated_checkpoint_is_refused(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "NUMBERS_VERSION", 10**6)
    with pytest.raises(UnusableCheckpoint, match="version"):
        checkpoints.load(start(), saved)


def test_weights_of_other_networks_are_refused(saved: Path) -> None:
    content = torch.load(saved, weights_only=True)
    other = start(SMALL.model_copy(update={"hidden_dim": 17}))
    torch.save(content | {"trial_id": other.trial.id}, saved)
    with pytest.raises(UnusableCheckpoint, match="does not fit"):
        checkpoints.load(other, saved)


class Payload:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.target,)


def test_nothing_in_a_file_is_executed(saved: Path, tmp_path: Path) -> None:
    for write in (torch.save, lambda obj, path: path.write_bytes(pickle.dumps(obj))):
        write({"training": Payload(tmp_path / "executed")}, saved)
        with pytest.raises(UnusableCheckpoint):
            checkpoints.load(start(), saved)
    assert not (tmp_path / "executed").exists()
