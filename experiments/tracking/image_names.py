"""How MLflow names the files behind its image grid: `key+step+3+timestamp+…[+compressed].ext`."""

from __future__ import annotations

from pathlib import PurePosixPath


def image_id(path: str) -> str:
    """`samples+step+3` of a picture's path, the same for it and its thumbnail."""
    return PurePosixPath(path).name.partition("+timestamp+")[0]


def is_image(path: str, key: str) -> bool:
    """Whether a path is a full-size picture logged under `key`."""
    return image_id(path).startswith(f"{key}+step+") and path.endswith(".png")


def step_of(path: str) -> int:
    return int(image_id(path).rpartition("+")[2])
