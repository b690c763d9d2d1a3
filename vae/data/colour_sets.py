"""CIFAR-10 and SVHN, from the files that torchvision downloads.

Nothing in them is executed: CIFAR-10's files are pickles, of which only arrays, numbers and words
are read.
"""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vae.data.downloads import ensure
from vae.data.source import Part, Source
from vae.errors import BadInput

if TYPE_CHECKING:
    import numpy as np

_CIFAR_SHAPE = (3, 32, 32)
_CIFAR_FOLDER = "cifar-10-batches-py"
_CIFAR_FILES = {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]}


def cifar10(data_dir: Path, *, yardstick: str = "discretised") -> Source:
    """`cifar10`: 60,000 colour photographs of 32 × 32 pixels."""
    folder = data_dir / _CIFAR_FOLDER
    files = {part: [folder / name for name in names] for part, names in _CIFAR_FILES.items()}
    ensure("CIFAR10", data_dir, itertools.chain(*files.values()), lambda: _download_cifar(data_dir))
    return Source("cifar10", {part: _cifar_part(paths) for part, paths in files.items()})


def _download_cifar(data_dir: Path) -> None:
    # The class itself would unpickle what it finds in the folder.
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import download_and_extract_archive

    download_and_extract_archive(
        CIFAR10.url, str(data_dir), filename=CIFAR10.filename, md5=CIFAR10.tgz_md5
    )


def _cifar_part(paths: list[Path]) -> Part:
    import numpy as np

    batches = [_cifar_batch(path) for path in paths]

    def chunks() -> Iterator[np.ndarray]:
        for images, _ in batches:
            yield images

    labels = np.concatenate([labels for _, labels in batches])
    return Part(len(labels), _CIFAR_SHAPE, chunks, labels)


def _cifar_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of a file of 10,000. Source: https://www.cs.toronto.edu/~kriz/cifar.html"""
    import numpy as np

    damaged = BadInput(
        f"{path}: truncated or corrupt; delete its folder to have it downloaded again"
    )
    try:
        with path.open("rb") as file:
            batch = _Plain(file, encoding="latin1").load()
        images, labels = batch["data"], np.array(batch["labels"], dtype=np.int64)
        if images.dtype != np.uint8 or images.shape != (len(labels), 3 * 32 * 32):
            raise damaged
        return images.reshape(-1, *_CIFAR_SHAPE), labels
    except BadInput:
        raise
    except Exception as error:  # an unpickler raises anything
        raise damaged from error


class _Plain(pickle.Unpickler):
    """Reads arrays, numbers and words, and refuses whatever could be code.

    Source: https://docs.python.org/3/library/pickle.html#restricting-globals
    """

    _ALLOWED = frozenset(
        {
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("_codecs", "encode"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._ALLOWED:
            raise pickle.UnpicklingError(f"{module}.{name} is no part of CIFAR-10")
        return super().find_class(module, name)


def svhn(data_dir: Path, *, yardstick: str = "discretised") -> Source:
    """`svhn`: 99,289 colour photographs of house numbers, 32 × 32 pixels."""
    files = {part: data_dir / f"{part}_32x32.mat" for part in ("train", "test")}
    ensure("SVHN", data_dir, files.values(), lambda: _download_svhn(data_dir))
    return Source("svhn", {part: _svhn_part(path) for part, path in files.items()})


def _download_svhn(data_dir: Path) -> None:
    from torchvision.datasets import SVHN
    from torchvision.datasets.utils import download_url

    for part in ("train", "test"):
        url, name, md5 = SVHN.split_list[part]
        download_url(url, str(data_dir), name, md5)


def _svhn_part(path: Path) -> Part:
    import numpy as np
    from scipy.io import loadmat, matlab

    damaged = BadInput(f"{path}: truncated or corrupt; delete it to have it downloaded again")
    try:
        content = loadmat(path, variable_names=("X", "y"))
        images, labels = content["X"], content["y"].reshape(-1)
    except (OSError, KeyError, ValueError, TypeError, matlab.MatReadError) as error:
        raise damaged from error
    if images.dtype != np.uint8 or images.shape != (32, 32, 3, len(labels)):
        raise damaged

    def chunks() -> Iterator[np.ndarray]:
        for start in range(0, len(labels), 4000):
            yield images[..., start : start + 4000].transpose(3, 2, 0, 1)

    return Part(len(labels), (3, 32, 32), chunks, labels.astype(np.int64) % 10)  # 10 is the digit 0
