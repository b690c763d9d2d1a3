"""On which device trials compute."""

from __future__ import annotations

from vae.errors import BadInput


def check_device(wanted: str) -> None:
    """`auto` is for each worker to find out; importing torch here would delay every sweep."""
    if wanted == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise BadInput("--device cuda: torch finds no CUDA device; use --device cpu")
