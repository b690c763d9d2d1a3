from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from vae import checkpoints
from vae.components import registry
from vae.configuration import Configuration, Trial
from vae.errors import Diverged
from vae.evaluation.terms import Terms
from vae.splits import Splits
from vae.training import EpochMetrics, Training, fit
from vae.transforms import binarize, dynamic_binarize, grayscale, identity

SMALL_FIELDS: dict[str, Any] = {
    "dataset": "mnist5k",
    "encoder": "mlp1",
    "hidden_dim": 16,
    "latent_dim": 2,
    "batch_size": 7,
    "epochs": 4,
}
SMALL = Configuration(**SMALL_FIELDS)


def small(**fields: Any) -> Configuration:
    """SMALL with other fields; in the name of an option, __ stands for the dot."""
    return Configuration(**SMALL_FIELDS | {k.replace("__", "."): v for k, v in fields.items()})


def splits(transform=identity, channels: int = 1) -> Splits:  # type: ignore[no-untyped-def]
    """Blobs: a generated data set with something to learn."""
    random = np.random.RandomState(0)
    centre = random.uniform(1, 7, (60, 1, 2, 1, 1))
    grid = np.stack(np.meshgrid(np.arange(8), np.arange(8), indexing="ij"))
    distance = ((grid - centre) ** 2).sum(2)
    gray = (255 * np.exp(-distance / 4)).astype(np.uint8)
    batches = transform(np.repeat(gray, channels, axis=1), 0)
    test = batches.part(50, 60)
    val = batches.part(40, 50)
    train = batches.part(0, 40)
    return Splits(train, val, test, train, val, test, "bernoulli")


def numbers(metrics: EpochMetrics) -> EpochMetrics:
    """Without what the clock says."""
    return replace(metrics, seconds=0.0, images_per_second=0.0)


def start(
    configuration: Configuration = SMALL, seed: int = 0, data: Splits | None = None
) -> Training:
    shape = (data or splits()).train.shape
    return Training(Trial(configuration=configuration, seed=seed), shape)


def test_training_learns() -> None:
    configuration = SMALL.model_copy(update={"epochs": 30, "lr": 1e-2})
    history = list(fit(start(configuration), splits(), until=30))
    assert [m.epoch for m in history] == list(range(1, 31))
    assert history[-1].val.episodic_return > history[0].val.episodic_return + 5


def test_a_seed_fixes_everything_and_another_changes_it() -> None:
    first, again, other = ([numbers(m) for m in fit(start(seed=s), splits(), 4)] for s in (0, 0, 1))
    assert first == again
    assert first != other


def test_the_global_generator_has_no_say() -> None:
    torch.manual_seed(1)
    first = [numbers(m) for m in fit(start(), splits(), 2)]
    torch.manual_seed(2)
    assert [numbers(m) for m in fit(start(), splits(), 2)] == first


@pytest.mark.parametrize("transform", [identity, dynamic_binarize])
@pytest.mark.parametrize("stop", [1, 2, 3])
def test_going_on_from_a_checkpoint_changes_no_bit(
    tmp_path: Path, stop: int, transform: object
) -> None:
    data = splits(transform)
    undisturbed = start()
    expected = [numbers(m) for m in fit(undisturbed, data, 4)]

    interrupted = start()
    history = [numbers(m) for m in fit(interrupted, data, stop)]
    checkpoints.save(interrupted, tmp_path / "c.pt")
    resumed = start()
    checkpoints.load(resumed, tmp_path / "c.pt")
    history += [numbers(m) for m in fit(resumed, data, 4)]

    assert history == expected
    assert resumed.best_epoch == undisturbed.best_epoch
    for name, tensor in undisturbed.kept_model().state_dict().items():
        assert torch.equal(tensor, resumed.kept_model().state_dict()[name])


def test_the_kept_model_is_the_best_epoch_s(tmp_path: Path) -> None:
    training = start(
        SMALL.model_copy(update={"lr": 0.3, "epochs": 12})
    )  # so large that it does not only improve
    data, weights, returns = splits(), {}, {}
    for metrics in fit(training, data, 12):
        state = training.model.state_dict()
        weights[metrics.epoch] = {k: v.clone() for k, v in state.items()}
        returns[metrics.epoch] = metrics.val.episodic_return
        checkpoints.save(training, tmp_path / "c.pt")
    best = max(returns, key=returns.__getitem__)
    assert best < 12, "this test needs a training whose last epoch is not its best"
    resumed = start(SMALL.model_copy(update={"lr": 0.3, "epochs": 12}))
    checkpoints.load(resumed, tmp_path / "c.pt")
    for candidate in (training, resumed):
        assert candidate.best_epoch == best
        assert candidate.best_return == returns[best]
        for name, tensor in candidate.kept_model().state_dict().items():
            assert torch.equal(tensor, weights[best][name])


def test_divergence_is_an_error() -> None:
    with pytest.raises(Diverged, match="epoch 1"):
        list(fit(start(SMALL.model_copy(update={"lr": 1e30})), splits(), 4))


def test_beta_weighs_the_loss_and_not_the_return() -> None:
    terms = Terms(reconstruction=10.0, kl=2.0)
    assert terms.loss(beta=4.0) == 18.0
    assert terms.episodic_return == -12.0


def test_beta_matters_to_training() -> None:
    free, bound = (
        list(fit(start(SMALL.model_copy(update={"beta": b, "epochs": 30})), splits(), 30))[-1]
        for b in (0.0, 10.0)
    )
    assert bound.val.kl < free.val.kl


@pytest.mark.parametrize(("transform", "channels"), [(identity, 3), (grayscale, 1)])
def test_colour_images_train(transform: object, channels: int) -> None:
    data = splits(transform, channels=3)
    assert data.train.shape == (channels, 8, 8)
    training = start(SMALL.model_copy(update={"encoder": "conv", "decoder": "conv"}), data=data)
    assert all(math.isfinite(m.val.reconstruction) for m in fit(training, data, 2))


def test_means_are_per_image_whatever_the_batch() -> None:
    """Of a model that does not move, the training mean equals that of one large batch."""
    still = SMALL.model_copy(update={"lr": 1e-30, "weight_decay": 0.0})
    means = [
        next(fit(start(still.model_copy(update={"batch_size": b})), splits(), 1)).train.kl
        for b in (40, 7)
    ]
    assert means[0] == pytest.approx(means[1], rel=1e-6)


@pytest.mark.parametrize("loss", registry.LOSSES)
@pytest.mark.parametrize("network", ["mlp1", "resnet"])
@pytest.mark.parametrize("objective", registry.OBJECTIVES)
def test_every_loss_goes_on_from_a_checkpoint_to_the_same_bits(
    tmp_path: Path, loss: str, network: str, objective: str
) -> None:
    networks = {"encoder": network, "decoder": network, "objective": objective}
    configuration = small(loss=loss, epochs=2, **networks)
    expected = [numbers(m) for m in fit(start(configuration), splits(), 2)]
    interrupted = start(configuration)
    history = [numbers(m) for m in fit(interrupted, splits(), 1)]
    checkpoints.save(interrupted, tmp_path / "c.pt")
    resumed = start(configuration)
    checkpoints.load(resumed, tmp_path / "c.pt")
    assert history + [numbers(m) for m in fit(resumed, splits(), 2)] == expected


def test_patience_ends_a_training_that_no_longer_improves(tmp_path: Path) -> None:
    """After so many epochs without a better return, resumed or not; the best one is kept."""
    configuration = SMALL.model_copy(update={"lr": 0.3, "epochs": 100, "patience": 3})
    training, data = start(configuration), splits()
    history = list(fit(training, data, 100))
    assert training.is_over
    assert len(history) == training.epoch == training.best_epoch + 3 < 100
    assert list(fit(training, data, 100)) == []
    assert max(history, key=lambda m: m.val.episodic_return).epoch == training.best_epoch

    interrupted, resumed = start(configuration), start(configuration)
    list(fit(interrupted, data, training.epoch - 1))
    assert not interrupted.is_over
    checkpoints.save(interrupted, tmp_path / "c.pt")
    checkpoints.load(resumed, tmp_path / "c.pt")
    assert [m.epoch for m in fit(resumed, data, 100)] == [training.epoch]
    assert resumed.is_over


def test_without_patience_a_training_is_over_after_its_last_epoch() -> None:
    training = start()
    assert [training.is_over for _ in fit(training, splits(), 4)] == [False, False, False, True]


def test_a_gradient_is_clipped_to_the_length_it_may_have() -> None:
    """SGD at rate 1 moves the weights by the gradient, so one step is as long as it may be."""
    step = {"optimizer": "sgd", "lr": 1.0, "weight_decay": 0.0, "epochs": 1, "batch_size": 40}
    moved = []
    for clip in (0.0, 0.01):
        training = start(small(**step, grad_clip=clip))
        before = torch.cat([p.detach().flatten() for p in training.model.parameters()])
        list(fit(training, splits(), 1))
        after = torch.cat([p.detach().flatten() for p in training.model.parameters()])
        moved.append((after - before).norm().item())
    assert moved[0] > 0.1
    assert moved[1] == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("optimizer", registry.OPTIMIZERS)
def test_every_optimizer_learns_and_goes_on_to_the_same_bits(
    tmp_path: Path, optimizer: str
) -> None:
    fields = {"optimizer": optimizer, "lr": 1e-2, "epochs": 10, "loss": "bce"}
    configuration = small(**fields)
    undisturbed = start(configuration)
    history = [numbers(m) for m in fit(undisturbed, splits(), 10)]
    assert history[-1].val.episodic_return > history[0].val.episodic_return
    interrupted, resumed = start(configuration), start(configuration)
    list(fit(interrupted, splits(), 5))
    checkpoints.save(interrupted, tmp_path / "c.pt")
    checkpoints.load(resumed, tmp_path / "c.pt")
    assert [numbers(m) for m in fit(resumed, splits(), 10)] == history[5:]


def test_a_frozen_part_stays_as_it_is() -> None:
    training = start()
    frozen = training.model.encoder.body
    frozen.requires_grad_(requires_grad=False)
    before = [p.clone() for p in frozen.parameters()]
    heads = training.model.encoder.heads.weight.clone()
    list(fit(training, splits(), 1))
    assert all(torch.equal(p, b) for p, b in zip(frozen.parameters(), before, strict=True))
    assert not torch.equal(training.model.encoder.heads.weight, heads)


GOLDEN_NUMBERS = {
    ("mlp1", "sse"): (11.114340, 0.013137, 10.654714, 0.020984),
    ("mlp3", "bce"): (41.798257, 0.009782, 41.356598, 0.012221),
    ("conv", "continuous_bernoulli"): (-12.440616, 0.665444, -16.726361, 1.485598),
}


@pytest.mark.parametrize(("network", "loss"), GOLDEN_NUMBERS)
def test_the_numbers_of_this_version_are_what_they_were(network: str, loss: str) -> None:
    """As far as another processor or torch would round alike; else NUMBERS_VERSION is raised."""
    configuration = SMALL.model_copy(update={"loss": loss, "encoder": network, "decoder": network})
    last = list(fit(start(configuration), splits(), 4))[-1]
    found = (last.train.reconstruction, last.train.kl, last.val.reconstruction, last.val.kl)
    assert found == pytest.approx(GOLDEN_NUMBERS[network, loss], rel=1e-4)


class Calls(TorchDispatchMode):
    """Counts what torch is asked to do."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


WAITS = ("_local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select", "_to_copy")
"""What makes the host wait for a device, or copies from one to the other."""


@pytest.mark.parametrize("transform", [identity, binarize, dynamic_binarize])
@pytest.mark.parametrize("loss", ["sse", "bce"])
def test_no_step_waits_for_a_device(transform: object, loss: str) -> None:
    """Shorter batches make more steps, and none of them asks for a number on the host."""
    calls = {}
    for batch_size in (40, 5):
        data = splits(transform)
        training = start(SMALL.model_copy(update={"batch_size": batch_size, "loss": loss}))
        with Calls() as seen:
            list(fit(training, data, 1))
        calls[batch_size] = seen.counts
    assert calls[5]["_fused_adamw_"] == 8 * calls[40]["_fused_adamw_"]
    conversions = calls[5]["_to_copy"] - calls[40]["_to_copy"]
    assert conversions <= 7  # of a batch's bytes to floats, on the device that they are on
    assert all(calls[5][name] == calls[40][name] for name in WAITS if name != "_to_copy")


@pytest.mark.parametrize("name", ["mlp1", "mlp3", "conv"])
def test_networks_compute_on_whatever_device_they_are(name: str) -> None:
    """On `meta`, mixing in a tensor of the CPU raises."""
    configuration = SMALL.model_copy(update={"encoder": name, "decoder": name})
    model = start(configuration).model.to("meta")
    x, noise = torch.empty(3, 1, 8, 8, device="meta"), torch.empty(3, 2, device="meta")
    reconstruction, kl = model.elbo_terms(x, noise)
    (reconstruction + kl).mean().backward()
    assert reconstruction.device.type == kl.device.type == "meta"
    assert all(p.grad is not None and p.grad.device.type == "meta" for p in model.parameters())
