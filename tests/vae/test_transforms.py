from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from vae.components import registry
from vae.components.component import check_component
from vae.transforms import Batches, binarize, dynamic_binarize, grayscale, identity, static_bits

every_transform = pytest.mark.parametrize("name", registry.TRANSFORMS)


def images(n: int = 50, channels: int = 1, height: int = 5, width: int = 7) -> np.ndarray:
    random = np.random.RandomState(0)
    return random.randint(0, 256, (n, channels, height, width)).astype(np.uint8)


def everything(batches: Batches) -> torch.Tensor:
    return batches.batch(torch.arange(len(batches)))


def test_none_is_pixel_over_255() -> None:
    expected = torch.from_numpy(images()).float() / 255
    assert torch.equal(everything(identity(images(), 0)), expected)


def test_grayscale_of_gray_images_is_none_to_the_last_bit() -> None:
    assert torch.equal(everything(grayscale(images(), 0)), everything(identity(images(), 0)))


def test_grayscale_of_colour_is_what_pillow_makes_of_it() -> None:
    colour = images(channels=3, height=64, width=64)
    gray = grayscale(colour, 0)
    assert gray.shape == (1, 64, 64)
    expected = [
        np.asarray(Image.fromarray(image.transpose(1, 2, 0)).convert("L")) for image in colour
    ]
    assert np.array_equal((everything(gray)[:, 0] * 255).round().byte().numpy(), np.stack(expected))


def test_static_bits_are_drawn_once_with_the_pixel_s_probability() -> None:
    pixel = 77
    flat = np.full((4000, 1, 5, 5), pixel, dtype=np.uint8)
    bits = everything(binarize(flat, 0))
    assert set(bits.unique().tolist()) == {0.0, 1.0}
    p, n = pixel / 255, bits.numel()
    assert abs(bits.mean().item() - p) < 5 * (p * (1 - p) / n) ** 0.5
    assert torch.equal(bits, everything(binarize(flat, 0)))
    assert not torch.equal(bits, everything(binarize(flat, 1)))


def test_black_and_white_pixels_are_certain() -> None:
    extremes = np.stack([np.zeros((1, 9, 9)), np.full((1, 9, 9), 255)]).astype(np.uint8)
    bits = everything(binarize(extremes, 0))
    assert bits[0].sum() == 0
    assert bits[1].min() == 1


def test_bits_survive_packing_for_pixels_that_fill_no_whole_byte() -> None:
    source = images(n=1003, height=3, width=3)  # nine pixels, and more than one chunk
    random = np.random.RandomState([3435, 0])
    expected = np.concatenate(
        [
            random.randint(0, 255, (len(c), 9), dtype=np.uint8) < c.reshape(len(c), 9)
            for c in (source[:1000], source[1000:])
        ]
    )
    unpacked = everything(static_bits(source, 0)).flatten(1).numpy()
    assert np.array_equal(unpacked, expected.astype(np.float32))


def test_dynamic_bits_are_fresh_in_training_and_static_in_evaluation() -> None:
    batches = dynamic_binarize(images(), 0)
    indices = torch.arange(len(batches))
    generator = torch.Generator().manual_seed(0)
    first, second = (batches.training_batch(indices, generator) for _ in range(2))
    again = batches.training_batch(indices, torch.Generator().manual_seed(0))
    assert not torch.equal(first, second)
    assert torch.equal(first, again)
    assert torch.equal(everything(batches), everything(binarize(images(), 0)))


@every_transform
@pytest.mark.parametrize("channels", [1, 3])
def test_a_part_is_a_part(name: str, channels: int) -> None:
    batches = check_component("transform", name).make(images(channels=channels), 0)
    part = batches.part(10, 30)
    assert len(part) == 20
    assert part.shape == batches.shape == tuple(everything(part).shape[1:])
    assert torch.equal(everything(part), everything(batches)[10:30])
