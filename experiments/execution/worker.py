"""What a worker does: advance one trial from its last checkpoint, and track it on the way."""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable
from dataclasses import replace

import torch

from experiments.execution.finals import epoch_metrics, finals_of, metric_so_far
from experiments.execution.messages import EpochDone, Event, Notice, Task, TaskState, TrialResult
from experiments.execution.process import (
    compute_device,
    free_device_memory,
    prepare_process,
    surroundings,
)
from experiments.secrets import mask
from experiments.spec.pictures import Pictures
from experiments.tracking.errors import TrackingLost, TrackingRefused
from experiments.tracking.retries import NO_ROOM
from experiments.tracking.trial_writer import TrialWriter
from vae import archive, checkpoints
from vae.components import user_code
from vae.errors import Diverged
from vae.evaluation.pictures import reconstructions, samples
from vae.splits import Splits, load_splits
from vae.training import Training, fit


def advance(task: Task, report: Callable[[Event], None]) -> TrialResult:
    """Do a task. What goes wrong in it ends up in its run and in the result, and nowhere else."""
    started = time.monotonic()
    result = _advance_or_fail(task, report)
    return replace(result, seconds=time.monotonic() - started)


def _advance_or_fail(task: Task, report: Callable[[Event], None]) -> TrialResult:
    # Every time: a process that took another's place may have done nothing before.
    prepare_process()
    user_code.remember_all(task.code)
    log = TrialWriter(task.tracking_uri, task.run_id)
    try:
        return _advance(task, log, report)
    except TrackingLost as error:
        return TrialResult(task, TaskState.UNTRACKED, str(error))
    except torch.cuda.OutOfMemoryError as error:
        reason = f"out of memory on {_device_label(task)}: {error}".splitlines()[0]
        return TrialResult(task, TaskState.OUT_OF_MEMORY, reason)
    except Diverged as error:
        return _fail(task, log, f"diverged: {error}", "")
    except OSError as error:
        if error.errno in NO_ROOM:  # not this trial's fault, and the next one would meet it too
            return TrialResult(task, TaskState.UNTRACKED, f"{error.strerror} ({error.filename})")
        return _fail(task, log, f"{type(error).__name__}: {error}", traceback.format_exc())
    except Exception as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return _fail(task, log, reason, traceback.format_exc())
    finally:
        free_device_memory(task.device)


def _device_label(task: Task) -> str:
    return task.device_label or compute_device(task.device)


def _fail(task: Task, log: TrialWriter, reason: str, details: str) -> TrialResult:
    try:
        log.fail(reason, details)
    except TrackingLost as error:
        return TrialResult(task, TaskState.UNTRACKED, str(error))
    except TrackingRefused as error:  # its run was deleted: that is all there is to say of it
        reason = f"{reason}; {error}"
    task.checkpoint.unlink(missing_ok=True)
    return TrialResult(task, TaskState.FAILED, mask(reason))


def _advance(task: Task, log: TrialWriter, report: Callable[[Event], None]) -> TrialResult:
    if not task.fresh and (logged := log.read_back()) is not None:
        task.checkpoint.unlink(missing_ok=True)
        return TrialResult(task, TaskState.FINISHED, metrics=logged)
    configuration = task.trial.configuration
    device = compute_device(task.device)
    splits = load_splits(configuration, task.data_dir, device)
    if task.diagnostics and (splits.train_labels is None or splits.test_labels is None):
        report(Notice(task.label, "no labels: no accuracy of a linear probe, or of neighbours"))
    log.tag_attempt(surroundings(device, _device_label(task)))
    training = _restore(task, splits, device, report)
    for metrics in fit(training, splits, task.until):
        named = epoch_metrics(metrics, configuration.beta)
        log.log_epoch(metrics.epoch, named)
        _log_images(log, training, splits, task.pictures)
        # Last, so that what a checkpoint has seen has been tracked. An epoch repeated after a
        # kill in between gives the same numbers, and the log leaves out what it already has.
        checkpoints.save(training, task.checkpoint)
        report(
            EpochDone(
                worker=os.getpid(),
                label=task.label,
                configuration_id=configuration.id,
                epoch=metrics.epoch,
                epochs=configuration.epochs,
                metrics=named,
                device=_device_label(task),
            )
        )
    if not training.is_over:
        return TrialResult(
            task, TaskState.ADVANCED, metrics=metric_so_far(training, splits, task.metric)
        )
    finals = finals_of(training, splits, task.diagnostics)
    if task.archive:
        log.archive(_archive(training, splits))
    log.log_kl_per_dimension(finals.kl)
    log.finish(finals.metrics)
    task.checkpoint.unlink(missing_ok=True)
    return TrialResult(task, TaskState.FINISHED, metrics=finals.metrics)


def _restore(task: Task, splits: Splits, device: str, report: Callable[[Event], None]) -> Training:
    """The training as its checkpoint has it, or at its start."""
    training = Training(task.trial, splits.train.shape, device)
    if not task.checkpoint.exists():
        return training
    try:
        checkpoints.load(training, task.checkpoint)
    except checkpoints.UnusableCheckpoint as error:
        aside = task.checkpoint.with_suffix(".unusable")
        task.checkpoint.replace(aside)
        text = f"{error}; set aside as {aside.name}, the trial starts over"
        report(Notice(task.label, f"warning: {text}"))
        return Training(task.trial, splits.train.shape, device)
    return training


def _log_images(log: TrialWriter, training: Training, splits: Splits, pictures: Pictures) -> None:
    epoch = training.epoch
    epochs = epoch if training.is_over else training.trial.configuration.epochs
    if pictures.is_due(epoch, epochs):
        _, n_columns = pictures.layout
        log.log_image("samples", samples(training.model, pictures.samples, n_columns), epoch)
        log.log_image("reconstructions", reconstructions(training.model, splits.test), epoch)


def _archive(training: Training, splits: Splits) -> dict[str, bytes]:
    """The kept model, as files."""
    model, shape = training.kept_model(), splits.train.shape
    return archive.pack(model, training.trial, shape, training.best_epoch)
