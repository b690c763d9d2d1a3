"""The user's own code and data of a tracked trial, found again."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

from experiments.models.load import SelectedRun
from vae import archive
from vae.components import user_code
from vae.components.component import Component
from vae.components.registry import KINDS
from vae.configuration import Configuration, Trial
from vae.data import decoded
from vae.data.datasets import check_dataset, complete, place
from vae.errors import BadInput, at
from vae.rehearsal import try_components


def find_own(
    chosen: SelectedRun,
    trial: Trial,
    data_dir: Path,
    trust_code: bool,
    on_progress: Callable[[str, int, int], None],
) -> list[str]:
    """Let this process execute the trial's own code, and read its images.

    Args:
        trust_code: execute the archived source of what is not here as it was

    Returns:
        What of it is not here as it was, in words.

    Raises:
        BadInput: for what is neither here nor trusted, or data that are not those.
    """
    folders = list(_folders(chosen))
    configuration = trial.configuration
    with at(f"run {chosen.run.run_id}"):
        _find_code(chosen, configuration, folders, trust_code)
        with place(data_dir, on_progress):
            data = configuration.component("dataset")
            folder = _folder_of(data, folders)
            path = folder / data.value if folder else None
            decoded.prepare(data, data_dir, path, on_progress)
            remarks = [*_changed_code(configuration, folders), *_changed_data(data, folder)]
            if not data.is_code:
                complete(data, Path.cwd())
    if not data.is_code:  # else the shape of what its own code is tried on is not known
        try_components([configuration])
    return remarks


def _folders(chosen: SelectedRun) -> Iterator[Path]:
    """Where the user's own files may be: here, and beside the experiment file that was typed."""
    yield Path.cwd()
    with contextlib.suppress(ValueError):  # a tag is anybody's text
        for word in shlex.split(chosen.run.tags.get("command", "")):
            if word.endswith((".yaml", ".yml")):
                yield Path(word).absolute().parent


def _find_code(
    chosen: SelectedRun, configuration: Configuration, folders: list[Path], trust_code: bool
) -> None:
    if files := chosen.tracker.read_remains(chosen.run.run_id):
        for folder in folders:
            archive.find_code(files, folder=folder)
        archive.find_code(files, trust_code)
    for kind in configuration.digests:
        component = configuration.component(kind)
        local = [_local(component, folder) for folder in folders]
        user_code.remember(code for code in local if code and code.digest == component.digest)
        if component.is_code and kind != "dataset":  # whose images may be in the cache
            if trust_code and not files and not user_code.known(component.digest):
                raise BadInput(f"{kind} '{component.value}' is not here as it was, nor archived")
            component.load()


def _local(component: Component, folder: Path) -> user_code.Code | None:
    return user_code.find_local(folder, component.value) if component.is_code else None


def _folder_of(data: Component, folders: list[Path]) -> Path | None:
    """Where there is a file or folder of images of the name that the trial's own had."""
    if not data.digest or data.is_code:
        return None
    return next((folder for folder in folders if (folder / data.value).exists()), None)


def _changed_code(configuration: Configuration, folders: list[Path]) -> Iterator[str]:
    """What lies here under the names of the trial's code, and is not what it was."""
    for kind in (kind for kind in KINDS if kind in configuration.digests):
        component = configuration.component(kind)
        here = [code for folder in folders if (code := _local(component, folder))]
        used = user_code.known(component.digest)
        if here and used and used.digest not in {code.digest for code in here}:
            yield f"{kind}: {component.value} was changed since; the archived copy is used"


def _changed_data(data: Component, folder: Path | None) -> Iterator[str]:
    """The same of its images, which the cache may still have."""
    if folder and check_dataset(data.value, folder).digest != data.digest:
        yield f"data: {data.value} was changed since; its images in the cache are used"
