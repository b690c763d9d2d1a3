from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from tests.complaints import contents
from tests.conftest import REPOSITORY
from tests.generated import noise
from vae.data import cache
from vae.data.cache import (
    beside,
    facts,
    lock,
    lock_file,
    made_once,
    read,
    remember,
    remembered,
    store,
)
from vae.data.image_arrays import in_memory, source_of_arrays
from vae.data.source import Source, no_progress
from vae.errors import BadInput

IMAGES = noise(60, 3, 4, 4)


def source(labels: bool = True) -> Source:
    arrays = {"train": in_memory(IMAGES)}
    if labels:
        arrays["labels"] = in_memory(np.arange(60))
    return source_of_arrays("x", arrays)


def test_what_is_stored_is_mapped_again(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    store(tmp_path, "key", source(), lambda *news: told.append(news))
    images = read(tmp_path, "key")
    assert np.array_equal(np.concatenate([images.train, images.test]), IMAGES)
    assert isinstance(images.train, np.memmap)
    assert images.train_labels is not None
    assert images.train_labels.tolist() == list(range(50))
    assert facts(tmp_path, "key") == source().describe()
    assert told[-1] == ("decoding x", 60, 60)


def test_labels_may_be_missing(tmp_path: Path) -> None:
    store(tmp_path, "key", source(labels=False), no_progress)
    images = read(tmp_path, "key")
    assert images.train_labels is None
    assert images.test_labels is None


def test_of_a_bad_source_nothing_is_left(tmp_path: Path) -> None:
    bad = IMAGES / 255
    bad[50] = np.nan
    with pytest.raises(BadInput, match="NaN"):
        store(tmp_path, "key", source_of_arrays("x", {"train": in_memory(bad)}), no_progress)
    assert contents(tmp_path) == set()


@pytest.mark.parametrize("damage", ["cut", "no images", "other facts", "no facts"])
def test_a_damaged_folder_is_named_or_made_again(damage: str, tmp_path: Path) -> None:
    store(tmp_path, "key", source(), no_progress)
    folder = cache.folder(tmp_path, "key")
    if damage == "cut":
        path = folder / "images.npy"
        path.write_bytes(path.read_bytes()[:-1])
    elif damage == "no images":
        (folder / "images.npy").unlink()
    elif damage == "other facts":
        (folder / "facts.json").write_text('{"format": 0}')
    else:
        (folder / "facts.json").unlink()
    with pytest.raises(BadInput, match=r"key: is (damaged; delete it|not there)"):
        read(tmp_path, "key")
    if "facts" in damage:
        assert facts(tmp_path, "key") is None
        store(tmp_path, "key", source(), no_progress)
        assert len(read(tmp_path, "key").train) == 50


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(BadInput, match=r"--data-dir .*file: cannot be written"),
        lock(tmp_path / "file", "x"),
    ):
        pass


def test_a_lock_leaves_nothing_behind(tmp_path: Path) -> None:
    data_dir = tmp_path / "new" / "data"
    with lock(data_dir, "x"):
        assert lock_file(data_dir, "x").exists()
    assert contents(tmp_path) == set()
    with lock(data_dir, "x"):
        (data_dir / "kept").touch()
    assert (data_dir / "kept").exists()
    assert len(contents(tmp_path)) == 3


HOLDERS = """
import sys, time
from pathlib import Path
from vae.data.cache import lock
folder = Path(sys.argv[1])
for _ in range(20):
    with lock(folder, "x"):
        inside = folder / "inside"
        inside.touch(exist_ok=False)
        time.sleep(0.001)
        inside.unlink()
"""


def test_one_process_holds_a_lock_at_a_time_though_its_file_comes_and_goes(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDERS, str(tmp_path)]
    processes = [subprocess.Popen(command, cwd=REPOSITORY) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert contents(tmp_path) == set()


def test_who_waits_is_told_once_and_goes_on(tmp_path: Path) -> None:
    waits: list[float] = []
    done = threading.Event()

    def second() -> None:
        with lock(tmp_path, "x", lambda: waits.append(time.monotonic())):
            done.set()

    with lock(tmp_path, "x"):
        thread = threading.Thread(target=second)
        thread.start()
        while not waits:
            time.sleep(0.001)
        assert not done.is_set()
    thread.join()
    assert done.is_set()
    assert len(waits) == 1


def test_what_is_known_of_files_is_remembered(tmp_path: Path) -> None:
    one, other = Path("/data/a.npz"), Path("/data/b.npz")
    assert remembered(tmp_path, one) == {}
    remember(tmp_path, one, {"digest": "1"})
    remember(tmp_path, other, {"digest": "2"})
    assert remembered(tmp_path, one) == {"digest": "1"}
    (tmp_path / "cache" / "files.json").write_text("[]")
    assert remembered(tmp_path, one) == {}
    remember(tmp_path, one, {"digest": "3"})
    assert remembered(tmp_path, one) == {"digest": "3"}


def test_what_is_made_of_decoded_images_is_made_once_beside_them(tmp_path: Path) -> None:
    store(tmp_path, "key", source(), no_progress)
    assert beside(IMAGES, "bits.npy") is None
    path = beside(read(tmp_path, "key").train, "bits.npy")
    assert path is not None
    first = made_once(path, (4, 2), lambda: iter([np.ones((3, 2), "u1"), np.zeros((1, 2), "u1")]))
    again = made_once(path, (4, 2), lambda: iter([]))
    assert first.tolist() == again.tolist() == [[1, 1], [1, 1], [1, 1], [0, 0]]
    names = sorted(file.name for file in path.parent.iterdir())
    assert names == ["bits.npy", "facts.json", "images.npy", "labels.npy"]
