"""Decoded data sets on disk: written once, under a lock, and memory-mapped by every worker.

A folder `cache/<key>` in the data folder holds `images.npy`, `labels.npy` where there are labels
and `facts.json`. It appears whole or not at all, and may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from vae.data.source import UNKNOWN, DataSet, Images, Progress, Source, writable
from vae.errors import BadInput

if TYPE_CHECKING:
    import numpy as np

_FORMAT = 1
_IMAGES, _LABELS, _FACTS, _FILES = "images.npy", "labels.npy", "facts.json", "files.json"


def folder(data_dir: Path, key: str) -> Path:
    """Where the decoded images of a data set are, if it is there."""
    return data_dir / "cache" / key


def facts(data_dir: Path, key: str) -> DataSet | None:
    """What is known of a decoded data set; None if there is none, or of another version."""
    try:
        found = json.loads((folder(data_dir, key) / _FACTS).read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.pop("format", None) != _FORMAT:
        return None
    found["shape"], found["notes"] = tuple(found["shape"]), tuple(found["notes"])
    return DataSet(**found)


def store(data_dir: Path, key: str, source: Source, on_progress: Progress) -> None:
    """Decode `source` into the cache.

    Raises:
        BadInput: for a bad file of the source, or a folder that cannot be written. What was
            written is gone then.
    """
    final = folder(data_dir, key)
    unfinished = final.with_name(f"{key}.{os.getpid()}")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        _write(unfinished, source, on_progress)
        shutil.rmtree(final, ignore_errors=True)  # of another version
        unfinished.replace(final)
    except OSError as error:
        raise BadInput(f"--data-dir {data_dir}: {error.strerror} ({error.filename})") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        with contextlib.suppress(OSError):  # unless there is something in it
            final.parent.rmdir()


def _write(folder: Path, source: Source, on_progress: Progress) -> None:
    import numpy as np

    data_set = source.describe()
    shape = (data_set.train_size + data_set.test_size, *data_set.shape)
    # Written, not mapped: on a full disk that is an error, where a mapping kills the process.
    with (folder / _IMAGES).open("wb") as file:
        _write_header(file, shape)
        start, size = file.tell(), int(np.prod(shape[1:]))
        for index, piece in source.pieces(on_progress):
            file.seek(start + index * size)
            file.write(np.ascontiguousarray(piece).data)
    labels = source.labels()
    if labels is not None:
        np.save(folder / _LABELS, labels)
    content = {"format": _FORMAT, **dataclasses.asdict(data_set)}
    (folder / _FACTS).write_text(json.dumps(content, indent=2) + "\n")


def forget(data_dir: Path, key: str) -> None:
    """Delete what was decoded."""
    shutil.rmtree(folder(data_dir, key), ignore_errors=True)


def _write_header(file: IO[bytes], shape: tuple[int, ...]) -> None:
    import numpy as np

    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def read(data_dir: Path, key: str) -> Images:
    """Map a decoded data set.

    Raises:
        BadInput: if it is not there, or damaged.
    """
    import numpy as np

    data_set, place = facts(data_dir, key), folder(data_dir, key)
    if data_set is None:
        raise BadInput(f"{place}: is not there; run the sweep again, which makes it")
    try:
        # Copy-on-write: torch wants a writable buffer, and nobody writes.
        images = np.load(place / _IMAGES, mmap_mode="c", allow_pickle=False)
        labels = None
        if (place / _LABELS).exists():
            labels = np.load(place / _LABELS, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BadInput(f"{place}: is damaged; delete it, and it is made again") from error
    n = data_set.train_size
    train_labels, test_labels = (None, None) if labels is None else (labels[:n], labels[n:])
    return Images(images[:n], images[n:], _whole(train_labels), _whole(test_labels))


def _whole(labels: np.ndarray | None) -> np.ndarray | None:
    return None if labels is None or (labels == UNKNOWN).any() else labels


def _write_array(path: Path, shape: tuple[int, ...], pieces: Iterator[np.ndarray]) -> None:
    draft = path.with_suffix(f".{os.getpid()}")
    try:
        with draft.open("wb") as file:
            _write_header(file, shape)
            for piece in pieces:
                file.write(piece.tobytes())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def beside(images: np.ndarray, name: str) -> Path | None:
    """A file beside decoded `images` for what is made of them; None for those of no cache."""
    folder = Path(getattr(images, "filename", None) or "").parent
    return folder / name if (folder / _FACTS).exists() else None


def made_once(
    path: Path, shape: tuple[int, ...], pieces: Callable[[], Iterator[np.ndarray]]
) -> np.ndarray:
    """Map the `uint8` array in a file, which the first process that wants it writes.

    Args:
        pieces: makes it, in order along its first axis
    """
    import numpy as np

    if not path.exists():
        with lock(path.parent, path.name):
            if not path.exists():
                _write_array(path, shape, pieces())
    made: np.ndarray = np.load(path, mmap_mode="c", allow_pickle=False)
    return made


# ------------------------------------------------------- what was computed of a user's files


def remembered(data_dir: Path, path: Path) -> dict[str, Any]:
    """What `remember` wrote of a file or folder; empty if nothing."""
    found = _all_remembered(data_dir).get(str(path))
    return found if isinstance(found, dict) else {}


def remember(data_dir: Path, path: Path, content: dict[str, Any]) -> None:
    """Write `content` down beside what is known of other files; the caller holds the lock."""
    everything = _all_remembered(data_dir) | {str(path): content}
    file = data_dir / "cache" / _FILES
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(everything, indent=2) + "\n")
    draft.replace(file)


def _all_remembered(data_dir: Path) -> dict[str, Any]:
    try:
        everything = json.loads((data_dir / "cache" / _FILES).read_text())
    except (OSError, ValueError):
        return {}
    return everything if isinstance(everything, dict) else {}


def lock_file(data_dir: Path, name: str) -> Path:
    """It is there while somebody holds the lock, or after he was killed."""
    return data_dir / f".{name}.lock"


@contextlib.contextmanager
def lock(data_dir: Path, name: str, wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold the lock on what is made under `name` in the data folder.

    Nothing of it is left behind: not the file, nor a folder that was made for it and is empty.

    Args:
        wait: is called once if somebody else holds it
    """
    path = lock_file(data_dir, name)
    made = [p for p in (data_dir, *data_dir.absolute().parents) if not p.exists()]
    writable(data_dir)
    descriptor = _acquire(path, wait)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)
        with contextlib.suppress(OSError):  # a folder with something in it stays
            for parent in made:
                parent.rmdir()


def _acquire(path: Path, wait: Callable[[], None]) -> int:
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # its folder was just tidied away
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            wait()
            wait = lambda: None  # noqa: E731
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            # Whoever held it before has deleted the file: then this lock is of nothing.
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        os.close(descriptor)
