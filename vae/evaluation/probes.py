"""What a model's codes are good for, and how far its bounds are from each other.

Dearer than `diagnostics`: an experiment asks for it with `diagnostics: true`, and `evaluate.py`
always does it. The code of an image is the mean of q(z | x).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vae.evaluation.diagnostics import posteriors
from vae.evaluation.yardstick import likelihood, nll, score
from vae.model import VAE
from vae.splits import Splits
from vae.transforms import Batches

N_NEIGHBOURS = 15

_MOST_TRAINED_ON = 10_000
"""Training images, from the first, that a classifier of codes learns from. Part of the numbers."""

_SINGLE_SAMPLES = 10
"""Codes per image that the ELBO is averaged over. Part of the numbers."""


def probe(
    model: VAE, splits: Splits, n_samples: int, n_images: int, seed: int, test_nll: float
) -> dict[str, float]:
    """All numbers of this module, by their names in MLflow.

    Args:
        n_samples, n_images: K of the yardstick, and how many images it is estimated on
        test_nll: the yardstick with these on the test images
    """
    return {
        "test/bound_gap": negative_elbo(model, splits, n_images, seed) - test_nll,
        "test/nll_gap": nll_gap(model, splits, n_samples, n_images, seed),
        **dict(accuracies(model, splits)),
    }


def nll_gap(model: VAE, splits: Splits, n_samples: int, n_images: int, seed: int) -> float:
    """By how much the yardstick is worse on test images than on training images, in nats."""
    found = score(model, splits, n_samples, n_images, seed, ("train", "test"))
    return found["test"] - found["train"]


def negative_elbo(model: VAE, splits: Splits, n_images: int, seed: int) -> float:
    """−ELBO of the first test images under the yardstick's likelihood, in nats per image.

    What lies between it and the yardstick is what q(z | x) misses of the true posterior, less
    what K samples do not find.
    """
    how = likelihood(splits.yardstick, model, splits.val, splits.val_pixels, seed)
    pixels = splits.test_pixels.part(0, min(n_images, len(splits.test_pixels)))
    seeds = range(seed, seed + _SINGLE_SAMPLES)
    return float(np.mean([nll(model, splits.test, pixels, how, 1, each) for each in seeds]))


def accuracies(model: VAE, splits: Splits) -> Iterator[tuple[str, float]]:
    """Of the test images' classes, from their codes; nothing where there are no labels."""
    if splits.train_labels is None or splits.test_labels is None:
        return
    n_train = min(_MOST_TRAINED_ON, len(splits.train))
    train, test = _codes(model, splits.train.part(0, n_train)), _codes(model, splits.test)
    labels = np.asarray(splits.train_labels[:n_train]), np.asarray(splits.test_labels)
    yield "test/probe_accuracy", linear_probe(train, labels[0], test, labels[1])
    yield "test/knn_accuracy", nearest_neighbours(train, labels[0], test, labels[1])


def _codes(model: VAE, images: Batches) -> np.ndarray:
    codes: np.ndarray = posteriors(model, images).mean.cpu().numpy()
    return codes


def linear_probe(
    train: np.ndarray, train_labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray
) -> float:
    """The share of test images whose class a logistic regression of the codes tells.

    Args:
        train, test: codes, `(n, latent_dim)`, which are standardised first
        train_labels, test_labels: `(n,)`
    """
    from sklearn.linear_model import LogisticRegression  # takes its time to import
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return _accuracy(classifier, train, train_labels, test, test_labels)


def nearest_neighbours(
    train: np.ndarray, train_labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray
) -> float:
    """The same by the 15 nearest codes of training images; of fewer, all of them."""
    from sklearn.neighbors import KNeighborsClassifier  # takes its time to import

    classifier = KNeighborsClassifier(min(N_NEIGHBOURS, len(train)))
    return _accuracy(classifier, train, train_labels, test, test_labels)


def _accuracy(
    classifier: object,
    train: np.ndarray,
    train_labels: np.ndarray,
    test: np.ndarray,
    test_labels: np.ndarray,
) -> float:
    if len(np.unique(train_labels)) < 2:  # there is but one answer
        return float(np.mean(test_labels == train_labels[0]))
    fitted = classifier.fit(train, train_labels)  # type: ignore[attr-defined]
    return float(fitted.score(test, test_labels))
