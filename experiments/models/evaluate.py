"""An archived model on a test set, held against what its trial logged."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from experiments.execution.process import compute_device, prepare_process
from experiments.models.differences import VERSION, computed_with, computes_with, differences
from experiments.models.load import SelectedRun, load_archived
from experiments.sweep.progress import counting, counting_images
from experiments.tracking.run_record import attempts
from vae.archive import Archived, Description
from vae.configuration import NUMBERS_VERSION, Configuration
from vae.data.datasets import check_dataset, complete, describe, place
from vae.data.decoded import prepare
from vae.data.source import by
from vae.errors import BadInput, at
from vae.evaluation.diagnostics import latent_use
from vae.evaluation.probes import accuracies, negative_elbo, nll_gap
from vae.evaluation.terms import evaluate
from vae.evaluation.yardstick import bits_per_dim, estimate_nll, likelihood
from vae.splits import Splits, split

ROUNDING = 1e-5
"""Relative; by what the same computation differs on another processor or version of torch."""


@dataclass(frozen=True)
class Protocol:
    """What the numbers of an evaluation depend on besides the model.

    Attributes:
        n_samples: K of the yardstick
        n_images: how many test images, from the first, the yardstick is estimated on
        device: `cpu` or `cuda`, which draw different noise
    """

    dataset: str
    n_samples: int
    n_images: int
    device: str

    @classmethod
    def of_trial(cls, configuration: Configuration, device: str = "cpu") -> Protocol:
        """What the trial was evaluated by; where, its run says."""
        used = configuration.nll_samples, configuration.nll_images
        return cls(configuration.dataset, *used, device)

    def differences(self, other: Protocol) -> str:
        """In words; empty if there are none."""
        names = {"n_samples": "K", "n_images": "images", "dataset": "data set", "device": "device"}
        return ", ".join(
            f"{name} {getattr(other, field)} → {getattr(self, field)}"
            for field, name in names.items()
            if getattr(self, field) != getattr(other, field)
        )


@dataclass(frozen=True)
class LoadedModel:
    """A model that is evaluated and pictured, and on what.

    Attributes:
        differences: what the trial was computed with and this process is not: `before → now`
    """

    chosen: SelectedRun
    archived: Archived
    protocol: Protocol
    splits: Splits
    differences: Mapping[str, str] = field(default_factory=dict)

    @property
    def description(self) -> Description:
        return self.archived.description

    @property
    def protocol_of_trial(self) -> Protocol:
        """What the trial itself was evaluated by."""
        tag = self.chosen.run.tags.get("device", "cpu")
        device = "cuda" if attempts(tag)[-1].startswith("cuda") else "cpu"
        return Protocol.of_trial(self.description.trial.configuration, device)


@dataclass(frozen=True)
class Row:
    """A number of an evaluation.

    Attributes:
        logged: what the trial logged under that name; None on another data set
        verdict: in words, how the two compare
    """

    name: str
    value: float
    logged: float | None
    verdict: str


def load_subject(
    chosen: SelectedRun,
    data_dir: Path,
    dataset: str | None,
    n_samples: int | None,
    device: str,
    trust_code: bool = False,
    code_folder: Path | None = None,
) -> LoadedModel:
    """Have the model back, and the test set it is to be evaluated on.

    Args:
        dataset: another one than it was trained on
        n_samples: K, then on the whole test set; by default what the trial used, on its images
        trust_code: as of `load_model`
        code_folder: where the user's own files are; by default the current one

    Raises:
        BadInput: for a bad archive, or images that are not of the model's shape.
    """
    prepare_process()
    device = compute_device(device)
    archived = load_archived(chosen, device, trust_code, code_folder)
    configuration = archived.description.trial.configuration
    splits = _splits(configuration, data_dir, dataset, device)
    name = dataset or configuration.dataset
    if splits.test.shape != archived.description.shape:
        raise BadInput(
            f"--dataset {name}: its images are {by(splits.test.shape)}, and the model takes "
            f"{by(archived.description.shape)}"
        )
    n_test = len(splits.test)
    used = configuration.nll_samples, min(configuration.nll_images, n_test)
    protocol = Protocol(name, *((n_samples, n_test) if n_samples else used), device)
    differing: Mapping[str, str] = {}
    if name == configuration.dataset:  # otherwise nothing is held against what the trial logged
        now = computes_with(archived.description.trial, data_dir, device)
        differing = differences(computed_with(chosen), now)
    return LoadedModel(chosen, archived, protocol, splits, differing)


def _splits(
    configuration: Configuration, data_dir: Path, dataset: str | None, device: str
) -> Splits:
    """Of the trial's own data set, or of another."""
    component, val_size = configuration.component("dataset"), configuration.val_size
    with counting_images() as on_progress:
        if dataset is not None:
            with place(data_dir, on_progress), at("--dataset"):
                component = complete(check_dataset(dataset, Path.cwd()), Path.cwd())
            known = describe(component)
            val_size = known.val_size if known else val_size
        prepare(component, data_dir, on_progress=on_progress)
    transform = configuration.component("transform")
    return split(component, transform, val_size, str(data_dir.absolute()), device)


def evaluate_subject(subject: LoadedModel) -> list[Row]:
    """The return's terms on the whole test set, and the yardstick by the subject's protocol."""
    model, protocol, splits = subject.archived.model, subject.protocol, subject.splits
    seed = subject.description.trial.seed
    terms = evaluate(model, splits.test, seed)
    how = likelihood(splits.yardstick, model, splits.val, splits.val_pixels, seed)
    pixels = splits.test_pixels.part(0, protocol.n_images)
    with counting(f"test/nll with {protocol.n_samples} samples", protocol.n_images) as advance:
        nll = estimate_nll(model, splits.test, pixels, how, protocol.n_samples, seed, advance)
    use = latent_use(model, splits.test, seed)
    values = {
        "test/return": terms.episodic_return,
        "test/reconstruction": terms.reconstruction,
        "test/kl": terms.kl,
        "test/nll": nll.mean,
        "test/active_units": float(use.active_units),
        "test/mutual_information": use.mutual_information,
        **_probed(subject, nll.mean),
    }
    if splits.yardstick == "discretised":
        values["test/bits_per_dim"] = bits_per_dim(nll.mean, pixels)
    return list(_held_against_the_log(subject, values, nll.standard_error))


def _probed(subject: LoadedModel, nll: float) -> dict[str, float]:
    """The dear diagnostics; how far training images are from test images takes the K of the trial,
    and on another data set than it was trained on says nothing.

    Args:
        nll: the yardstick by the subject's protocol
    """
    model, splits, now = subject.archived.model, subject.splits, subject.protocol
    trial, then = subject.description.trial, subject.protocol_of_trial
    with counting("diagnostics", 3) as advance:
        values = {"test/bound_gap": negative_elbo(model, splits, now.n_images, trial.seed) - nll}
        advance(1)
        if now.dataset == then.dataset:
            protocol = then.n_samples, then.n_images
            values["test/nll_gap"] = nll_gap(model, splits, *protocol, trial.seed)
        advance(1)
        values |= dict(accuracies(model, splits))
        advance(1)
    return values


def _held_against_the_log(
    subject: LoadedModel, values: Mapping[str, float], nll_error: float
) -> Iterator[Row]:
    now, then = subject.protocol, subject.protocol_of_trial
    for name, value in values.items():
        logged = subject.chosen.run.metrics.get(name)
        if now.dataset != then.dataset or logged is None:
            yield Row(name, value, None, f"± {nll_error:.2f}" if name == "test/nll" else "")
        elif name == "test/bound_gap" and now.differences(then):
            yield Row(name, value, logged, f"{value - logged:+.3f}: {now.differences(then)}")
        elif name in ("test/nll", "test/bits_per_dim") and now.differences(then):
            error = nll_error * value / values["test/nll"]
            why = now.differences(then)
            verdict = f"{value - logged:+.3f}, standard error {error:.2f}: {why}"
            yield Row(name, value, logged, verdict)
        else:
            yield Row(name, value, logged, _verdict(subject, value, logged))


def _verdict(subject: LoadedModel, value: float, logged: float) -> str:
    """How an evaluation came out that was to come out as the trial's own."""
    if value == logged:
        return "equal to the last bit"
    difference = f"differs by {value - logged:+.2g}"
    if subject.protocol.device != subject.protocol_of_trial.device:
        return f"{difference}: another device, other noise"
    names = ", ".join(subject.differences)
    why = f"; other {names}" if names else "; nothing that is known differs"
    if math.isclose(value, logged, rel_tol=ROUNDING):
        return f"{difference}: within rounding ({ROUNDING:g} of it){why}"
    return f"{difference}: MORE than rounding ({ROUNDING:g} of it){why}"


def notes(subject: LoadedModel) -> Iterator[str]:
    """What a reader of the numbers has to know."""
    if subject.chosen.why:
        yield f"{subject.chosen.name}: {subject.chosen.why}"
    version = subject.description.numbers_version
    if version != NUMBERS_VERSION:
        yield (
            f"trained by numbers version {version}; this code is version {NUMBERS_VERSION}, and "
            f"need not give the same numbers"
        )
    others = {name: change for name, change in subject.differences.items() if name != VERSION}
    if others:
        changes = "; ".join(f"{name}: {change}" for name, change in others.items())
        yield f"not computed as its trial was: {changes}"
    if subject.splits.train_labels is None or subject.splits.test_labels is None:
        yield "the data set has no labels: no accuracy of a linear probe, or of nearest neighbours"
