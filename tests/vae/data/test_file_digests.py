from __future__ import annotations

import os
from pathlib import Path

import pytest

from vae.data import file_digests
from vae.data.file_digests import digest_of_files, write_down
from vae.data.source import no_progress
from vae.errors import BadInput


def digest(place: Path, *files: Path, data_dir: Path | None = None) -> str:
    return digest_of_files(place, files or [place], data_dir, no_progress)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that are read, from now on."""
    found: list[str] = []
    read = file_digests._sha256

    def noted(path: str) -> str:
        found.append(path)
        return read(path)

    monkeypatch.setattr(file_digests, "_sha256", noted)
    return found


def test_a_digest_is_of_content_not_of_place_or_time(tmp_path: Path) -> None:
    one, other = tmp_path / "a.npz", tmp_path / "elsewhere" / "b.npz"
    other.parent.mkdir()
    one.write_bytes(b"abc")
    other.write_bytes(b"abc")
    assert digest(one) == digest(other)
    other.write_bytes(b"abd")
    assert digest(one) != digest(other)


def test_a_folder_s_digest_knows_names_and_what_is_in_which(tmp_path: Path) -> None:
    a, b = tmp_path / "a.png", tmp_path / "b.png"
    a.write_bytes(b"1")
    b.write_bytes(b"2")
    before = digest(tmp_path, a, b)
    a.write_bytes(b"2")
    b.write_bytes(b"1")
    swapped = digest(tmp_path, a, b)
    b.rename(tmp_path / "c.png")
    assert len({before, swapped, digest(tmp_path, a, tmp_path / "c.png"), digest(tmp_path, a)}) == 4


def test_a_file_is_read_once_for_every_change(tmp_path: Path, reads: list[str]) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(b"abc")
    first = digest(path)
    assert digest(path) == first
    assert len(reads) == 1
    status = path.stat()
    path.write_bytes(b"xyz")  # of the same size, and said to be as old as before
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert digest(path) != first
    assert len(reads) == 2


def test_another_process_remembers(tmp_path: Path, reads: list[str]) -> None:
    path, data_dir = tmp_path / "a.npz", tmp_path / "data"
    path.write_bytes(b"abc")
    first = digest(path, data_dir=data_dir)
    assert not data_dir.exists(), "nothing is written before a sweep starts"
    write_down(path, data_dir)
    file_digests._known.clear()  # as a new process begins
    assert digest(path, data_dir=data_dir) == first
    assert len(reads) == 1
    path.write_bytes(b"abcd")
    assert digest(path, data_dir=data_dir) != first


def test_a_file_that_is_changed_while_it_is_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(b"abc")

    def changed(name: str) -> str:
        path.write_bytes(b"abcd")
        return "0"

    monkeypatch.setattr(file_digests, "_sha256", changed)
    with pytest.raises(BadInput, match=r"a.npz: was changed while it was read"):
        digest(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"a.npz: No such file"):
        digest(tmp_path / "a.npz")
