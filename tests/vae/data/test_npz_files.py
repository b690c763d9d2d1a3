from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.generated import noise, write_npz
from tests.vae.data.test_image_arrays import stored
from vae.data.npz_files import npz_file
from vae.errors import BadInput

IMAGES = noise(30, 3, 8, 8)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_images_and_labels_are_those_that_numpy_wrote(save, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "a.npz"
    save(path, train=IMAGES, test=IMAGES[:6], test_labels=np.arange(6))
    found = npz_file(path)
    assert np.array_equal(stored(found), np.concatenate([IMAGES, IMAGES[:6]]))
    labels = found.labels()
    assert labels is not None
    assert labels[-6:].tolist() == list(range(6))


def test_an_array_in_fortran_s_order_is_read_as_numpy_shows_it(tmp_path: Path) -> None:
    images = np.asfortranarray(IMAGES)
    assert np.array_equal(
        stored(npz_file(write_npz(tmp_path / "a.npz", {"train": images}))), IMAGES
    )


def test_more_than_a_chunk_is_read_in_pieces(tmp_path: Path) -> None:
    images = noise(100, 256, 256)
    path = write_npz(tmp_path / "a.npz", {"train": images})
    part = npz_file(path).parts["train"]
    sizes = [len(chunk) for chunk in part.chunks()]
    assert len(sizes) > 1
    assert sum(sizes) == 100
    assert np.array_equal(stored(npz_file(path))[:, 0], images)


class Bomb:
    """What a pickle would execute."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def damaged(case: str, folder: Path) -> Path:
    path = write_npz(folder / "bad.npz", {"train": IMAGES, "test": IMAGES})
    content = path.read_bytes()
    if case == "missing":
        path.unlink()
    elif case == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif case == "empty":
        path.write_bytes(b"")
    elif case == "text":
        path.write_text("these are no images")
    elif case == "bits flipped":
        middle = len(content) // 3
        path.write_bytes(content[:middle] + b"\xff" * 40 + content[middle + 40 :])
    elif case == "a single array":
        with path.open("wb") as file:
            np.save(file, IMAGES)
    elif case == "a pickle":
        path.write_bytes(pickle.dumps(Bomb(folder / "executed")))
    elif case == "other members":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme.txt", "none")
    elif case == "not an array inside":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("train.npy", b"nothing")
    elif case == "an array that ends early":
        with zipfile.ZipFile(path, "w") as archive:
            header = io.BytesIO()
            np.save(header, IMAGES)
            archive.writestr("train.npy", header.getvalue()[:-100])
    elif case == "a header that is code":
        with zipfile.ZipFile(path, "w") as archive:
            text = b"{'descr': __import__('os').system('touch executed'), 'shape': (1,)}".ljust(117)
            archive.writestr("train.npy", b"\x93NUMPY\x01\x00\x76\x00" + text + b"\n")
    elif case == "objects":
        bombs = np.array([Bomb(folder / "executed")] * 30, dtype=object)
        np.savez(path, train=bombs)
    elif case == "a folder":
        path.unlink()
        path.mkdir()
    return path


DAMAGE = {
    "missing": "no such file",
    "cut": "truncated, or no npz file",
    "empty": "truncated, or no npz file",
    "text": "truncated, or no npz file",
    "bits flipped": "truncated, or no npz file",
    "a single array": "truncated, or no npz file",
    "a pickle": "truncated, or no npz file",
    "other members": "has no array 'train' (empty)",
    "not an array inside": "truncated, or no npz file",
    "an array that ends early": "truncated, or no npz file",
    "a header that is code": "truncated, or no npz file",
    "objects": "train: holds Python objects",
    "a folder": "truncated, or no npz file",
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_files_are_named_in_one_line_and_executed_never(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = damaged(case, tmp_path)
    with pytest.raises(BadInput) as caught:
        stored(npz_file(path))
    message = str(caught.value)
    assert message.startswith("bad.npz: ")
    assert DAMAGE[case] in message
    assert "\n" not in message
    assert not (tmp_path / "executed").exists()
