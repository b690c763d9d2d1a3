from __future__ import annotations

from pathlib import Path

import numpy as np

from vae.data.small_sets import MNIST5K_FACTS, PATCHES_FACTS, mnist5k, patches


def test_mnist5k_is_real_digits_and_balanced_in_every_split() -> None:
    images = mnist5k(Path("nowhere"))
    assert images.train.shape == (MNIST5K_FACTS.train_size, *MNIST5K_FACTS.shape)
    assert images.train_labels is not None
    assert images.test_labels is not None
    assert np.bincount(images.test_labels).tolist() == [100] * 10
    # Every run of ten holds one of each class, so the tail of any length is balanced, too.
    for labels in (images.test_labels[:10], images.test_labels[-10:], images.train_labels[-10:]):
        assert sorted(labels) == list(range(10))
    assert 30 < images.train.mean() < 37  # MNIST's own mean is 33.3
    unique = np.unique(np.concatenate([images.train, images.test]).reshape(5000, -1), axis=0)
    assert len(unique) == 5000, "no digit is in two splits"


def test_patches_are_colour_and_of_both_photographs_in_every_split() -> None:
    images = patches(Path("nowhere"))
    assert images.train.shape == (PATCHES_FACTS.train_size, *PATCHES_FACTS.shape)
    assert images.test.shape == (PATCHES_FACTS.test_size, *PATCHES_FACTS.shape)
    spread = images.train.std(axis=1).mean()
    assert spread > 5, "the channels differ"
    assert images.train_labels is not None
    assert images.test_labels is not None
    val = images.train_labels[-PATCHES_FACTS.val_size :]
    for labels in (images.train_labels, val, images.test_labels, images.test_labels[:500]):
        assert 0.4 < labels.mean() < 0.6
    # The first 500, on which the yardstick is estimated, are as varied as the rest.
    assert abs(images.test[:500].mean() - images.test.mean()) < 5


def test_no_test_patch_touches_a_region_of_training() -> None:
    """Each patch is found again in its photograph, by its pixels."""
    from vae.data.small_sets import _PHOTOGRAPHS, _photograph

    images = patches(Path("nowhere"))
    assert images.train_labels is not None
    assert images.test_labels is not None
    n_train = PATCHES_FACTS.train_size - PATCHES_FACTS.val_size
    parts = {
        "train": (images.train[:n_train], images.train_labels[:n_train]),
        "val": (images.train[n_train:], images.train_labels[n_train:]),
        "test": (images.test, images.test_labels),
    }
    for k, name in enumerate(_PHOTOGRAPHS):
        photograph = _photograph(name)
        windows = np.lib.stride_tricks.sliding_window_view(photograph, (16, 16), axis=(0, 1))
        places: dict[bytes, set[tuple[int, int]]] = {}
        for y in range(windows.shape[0]):
            for x in range(windows.shape[1]):
                places.setdefault(windows[y, x].tobytes(), set()).add((y, x))
        touched = {}
        for part, (patch_images, labels) in parts.items():
            mask = np.zeros(photograph.shape[:2], dtype=bool)
            for patch in patch_images[labels == k]:
                found = places[np.ascontiguousarray(patch).tobytes()]
                if len(found) == 1:  # of plain sky there are many
                    ((y, x),) = found
                    mask[y : y + 16, x : x + 16] = True
            touched[part] = mask
        assert touched["train"].mean() > 0.3
        for one, other in (("train", "val"), ("train", "test"), ("val", "test")):
            assert not (touched[one] & touched[other]).any(), (name, one, other)
