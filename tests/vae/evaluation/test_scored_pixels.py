from __future__ import annotations

from typing import Any

import pytest

from vae.components.component import check_component
from vae.configuration import Configuration
from vae.evaluation.scored_pixels import scored_pixels, shown_shape


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "bernoulli 1 × 28 × 28"),
        ({"transform": "grayscale"}, "bernoulli 1 × 28 × 28"),
        ({"dataset": "patches"}, "discretised 3 × 16 × 16"),
        ({"dataset": "patches", "transform": "binarize"}, "discretised 3 × 16 × 16"),
        ({"dataset": "patches", "transform": "grayscale"}, "discretised 1 × 16 × 16"),
        ({"dataset": "patches", "dataset.yardstick": "bernoulli"}, "bernoulli 3 × 16 × 16"),
    ],
)
def test_the_yardstick_and_the_shape_of_what_it_scores(fields: dict[str, Any], words: str) -> None:
    assert scored_pixels(Configuration(**fields)) == words


def test_of_data_that_are_elsewhere_nothing_is_said() -> None:
    elsewhere = Configuration(
        dataset="x.npz", digests={"dataset": "0" * 16}, val_size=5, nll_images=5, batch_size=5
    )
    assert scored_pixels(elsewhere) == ""


def test_the_shape_that_a_transform_shows_is_that_of_its_images() -> None:
    import numpy as np

    for name in ("none", "binarize", "dynamic_binarize", "grayscale"):
        for shape in ((1, 5, 7), (3, 5, 7)):
            transform = check_component("transform", name)
            images = transform.make(np.zeros((2, *shape), np.uint8), 0)
            assert tuple(images.shape) == shown_shape(transform, shape)
