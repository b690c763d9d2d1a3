"""Parts of a data set, and where their images lie when they are decoded."""

from __future__ import annotations

import numpy as np

from tests.generated import noise
from tests.vae.data.test_image_arrays import source, stored
from vae.data.source import content_digest


def test_without_a_test_set_the_last_sixth_is_one_and_that_is_said() -> None:
    images, labels = noise(60, 4, 4), np.arange(60)
    found = source(train=images, labels=labels)
    data_set = found.describe()
    assert (data_set.train_size, data_set.test_size, data_set.val_size) == (50, 10, 8)
    assert data_set.notes == ("x has no test set: the last 10 of its 60 training images are one",)
    assert np.array_equal(stored(found)[:, 0], images)
    known = found.labels()
    assert known is not None
    assert np.array_equal(known, labels)


def test_given_validation_images_come_last_of_training_with_a_test_set_or_without() -> None:
    train, val, test = noise(60, 4, 4), noise(7, 4, 4, seed=1), noise(5, 4, 4, seed=2)
    found = source(train=train, val=val, test=test, val_labels=np.arange(7))
    data_set = found.describe()
    assert (data_set.train_size, data_set.val_size, data_set.test_size) == (67, 7, 5)
    assert data_set.val_is_given
    assert np.array_equal(stored(found)[:, 0], np.concatenate([train, val, test]))
    known = found.labels()
    assert known is not None
    assert known.tolist() == [-1] * 60 + list(range(7)) + [-1] * 5

    found = source(train=train, val=val, labels=np.arange(60))
    assert found.describe().train_size == 50 + 7
    assert np.array_equal(stored(found)[:, 0], np.concatenate([train[:50], val, train[50:]]))
    known = found.labels()
    assert known is not None
    assert known.tolist() == [*range(50), *[-1] * 7, *range(50, 60)]


def test_a_content_digest_knows_every_image_label_and_which_split_it_is_in() -> None:
    train, test = noise(60, 4, 4), noise(6, 4, 4, seed=1)
    changed = train.copy()
    changed[59, 3, 3] ^= 1
    found = [
        content_digest(source(train=train, test=test)),
        content_digest(source(train=changed, test=test)),
        content_digest(source(train=train, test=test, test_labels=np.arange(6))),
        content_digest(source(train=train, val=test, test=test)),
        content_digest(source(train=np.concatenate([train, test]))),
    ]
    assert len(set(found)) == len(found)
    assert content_digest(source(train=train, test=test)) == found[0]
