"""Pictures of what a model has learned, as PNG files whose captions say of what they are."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.models.evaluate import LoadedModel
from experiments.reporting.plots import COLOURS, MARKERS, SETTINGS, plain
from vae.errors import BadInput
from vae.evaluation import pictures

_WIDTH = 6.4
"""Of every picture, in inches; a caption wraps at it."""

_CAPTION_COLUMNS = 96

_FIELDS = (
    "dataset", "encoder", "decoder", "loss", "transform", "beta", "hidden_dim", "latent_dim",
    "epochs", "lr", "batch_size",
)  # fmt: skip


Draw = Callable[[LoadedModel, Figure, Axes], None]


def write_figures(subject: LoadedModel, folder: Path) -> Iterator[Path]:
    """Write every picture that suits the model; yields the path of each.

    Raises:
        BadInput: when the folder cannot be written.
    """
    for name, draw in _figures(subject):
        with mpl.rc_context({**SETTINGS, "axes.grid": False}):
            figure = Figure()
            axes = figure.subplots()
            draw(subject, figure, axes)
            _write_below(axes, caption(subject))
            path = folder / f"{name}.png"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                figure.savefig(path, dpi=150, bbox_inches="tight", metadata={"Software": None})
            except OSError as error:
                raise BadInput(f"--out {path}: {error.strerror}") from error
        yield path


def _write_below(axes: Axes, text: str) -> None:
    """Under a picture, or under the axis of a plot: a distance in points, whatever the size."""
    gap = 36 if axes.axison else 6
    axes.annotate(
        text, (0, 0), (0, -gap), xycoords="axes fraction", textcoords="offset points",
        va="top", fontsize=7,
    )  # fmt: skip


def caption(subject: LoadedModel) -> str:
    """Run, configuration, seed and epoch."""
    trial = subject.description.trial
    fields = trial.configuration.model_dump()
    told = ", ".join(f"{name} {_short(fields[name])}" for name in _FIELDS)
    run = f"{subject.chosen.name} (run {subject.chosen.run.run_id})"
    seed = f"seed {trial.seed}, epoch {subject.description.best_epoch}"
    shown = subject.protocol.dataset
    elsewhere = "" if shown == trial.configuration.dataset else f"; images of {shown}"
    lines = [run, *textwrap.wrap(f"{told}; {seed}{elsewhere}", _CAPTION_COLUMNS)]
    return plain("\n".join(lines))


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _figures(subject: LoadedModel) -> Iterator[tuple[str, Draw]]:
    yield "samples", _samples
    yield "reconstructions", _reconstructions
    yield "interpolations", _interpolations
    yield "traversals", _traversals
    if subject.archived.model.latent_dim == 2:
        yield "manifold", _manifold
        yield "codes", _codes


def _show(figure: Figure, axes: Axes, picture: np.ndarray, title: str) -> None:
    """The picture as wide as a page, pixels left sharp."""
    height, width = picture.shape[:2]
    figure.set_size_inches(_WIDTH, _WIDTH * height / width)
    axes.set_position((0.0, 0.0, 1.0, 1.0))
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    axes.set_title(title, loc="left", fontsize=9)


def _samples(subject: LoadedModel, figure: Figure, axes: Axes) -> None:
    picture = pictures.samples(subject.archived.model, 120, 15)
    _show(figure, axes, picture, "samples: decoded z ~ N(0, I)")


def _reconstructions(subject: LoadedModel, figure: Figure, axes: Axes) -> None:
    picture = pictures.reconstructions(subject.archived.model, subject.splits.test, 45, 15)
    _show(figure, axes, picture, "test images, each row over its reconstructions")


def _interpolations(subject: LoadedModel, figure: Figure, axes: Axes) -> None:
    """From the first test image of each class to that of the next class; or to the next image."""
    labels = subject.splits.test_labels
    if labels is None:
        firsts = np.arange(min(10, len(subject.splits.test)))
    else:
        _, firsts = np.unique(labels, return_index=True)
    device = next(subject.archived.model.parameters()).device
    ends = torch.from_numpy(np.roll(firsts, -1)).to(device)
    starts = torch.from_numpy(firsts).to(device)
    batch = subject.splits.test.batch
    picture = pictures.interpolations(subject.archived.model, batch(starts), batch(ends), 13)
    _show(
        figure,
        axes,
        picture,
        "from the test image on the left to that on the right, by their codes",
    )


def _traversals(subject: LoadedModel, figure: Figure, axes: Axes) -> None:
    """One test image, with one of the latents that carry most at a time set from −3 to 3."""
    model, test = subject.archived.model, subject.splits.test
    device = next(model.parameters()).device
    first = test.batch(torch.arange(min(500, len(test)), device=device))
    latents = pictures.most_used_latents(model, first, 10)
    values = torch.linspace(-3, 3, 15, device=device)
    picture = pictures.traversals(model, first[:1], latents, values)
    _show(
        figure,
        axes,
        picture,
        "one latent at a time from −3 to 3, the one with the largest KL on top",
    )
    for row, latent in enumerate(latents.tolist()):
        y = 1 - (row + 0.5) / len(latents)
        axes.text(-0.01, y, f"z{latent}", transform=axes.transAxes, ha="right", va="center")


def _manifold(subject: LoadedModel, figure: Figure, axes: Axes) -> None:
    _show(
        figure,
        axes,
        pictures.manifold(subject.archived.model),
        "decoded codes, at equal steps of N(0, I)",
    )


def _codes(subject: LoadedModel, figure: Figure, axes: Axes) -> None:
    """The means of q(z | x) of the test images, each class by colour, marker and name."""
    means = pictures.posterior_means(subject.archived.model, subject.splits.test)
    labels = subject.splits.test_labels
    figure.set_size_inches(_WIDTH, _WIDTH)
    if labels is None:
        axes.scatter(means[:, 0], means[:, 1], s=5, alpha=0.5, linewidths=0, color=COLOURS[0])
    else:
        _scatter_classes(axes, means, labels)
    axes.set_xlabel("z0")
    axes.set_ylabel("z1")
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_title("means of q(z | x) of the test images", loc="left", fontsize=9)


def _scatter_classes(axes: Axes, means: np.ndarray, labels: np.ndarray) -> None:
    outline = [patheffects.withStroke(linewidth=3, foreground="white")]
    for k, label in enumerate(np.unique(labels)):
        mine = means[labels == label]
        # Seven colours and five markers: no two of 35 classes share both.
        axes.scatter(
            mine[:, 0], mine[:, 1], s=5, alpha=0.5, linewidths=0, label=str(label),
            color=COLOURS[k % 7], marker=MARKERS[k % 5],
        )  # fmt: skip
        x, y = np.median(mine, axis=0)
        axes.text(x, y, str(label), fontsize=14, ha="center", va="center", path_effects=outline)
    axes.legend(
        title="class", frameon=False, markerscale=3, loc="upper left", bbox_to_anchor=(1, 1)
    )
