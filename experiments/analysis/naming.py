"""Which MLflow experiment is meant by EXPERIMENT on a command line."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from experiments.cli import command
from experiments.secrets import mask
from experiments.spec.yaml_files import SHIPPED, find_experiment, name_in
from experiments.tracking.reader import Reader, experiment_names
from vae.errors import BadInput


@dataclass(frozen=True)
class Meant:
    """What EXPERIMENT stands for.

    Attributes:
        name: of the MLflow experiment
        file: that asks its question, if one was named
        remark: what it could have stood for, too; empty if nothing
    """

    name: str
    file: Path | None = None
    remark: str = ""


def find_meant(experiment: str, uri: str) -> Meant:
    """The experiment of a file, or the one in MLflow that is called so; a file that ships with this
    package yields to an experiment of the same name.

    Raises:
        BadInput: for a file that cannot be read.
    """
    file = _file(experiment)
    if file is None:
        return Meant(experiment, _shipped_as(experiment))
    name = name_in(file)
    if file.parent != SHIPPED or name == experiment or Reader.find(uri, experiment) is None:
        return Meant(name, file)
    remark = ""
    if Reader.find(uri, name) is not None:
        remark = (
            f"'{experiment}' is an experiment of yours; that of the shipped file of this name is "
            f"'{name}'"
        )
    return Meant(experiment, remark=remark)


def _file(experiment: str) -> Path | None:
    try:
        return find_experiment(experiment)
    except BadInput:
        if Path(experiment).suffix in (".yaml", ".yml"):
            raise
        return None


def _shipped_as(name: str) -> Path | None:
    """The shipped file whose experiment is called so, which need not be its own name."""
    return next((file for file in SHIPPED.glob("*.yaml") if name_in(file) == name), None)


def not_tracked(name: str, uri: str, typed: str | None = None) -> BadInput:
    """What to say where nothing is tracked under a name.

    Args:
        typed: what stands for it on a command line; by default its name
    """
    said = f"nothing of experiment '{name}' is tracked at {mask(uri)}"
    typed = typed or name
    if _file(typed) is not None:
        first = command("sweep", typed)
        return BadInput(f"{said}: run `{first}` first, or give another --tracking-uri")
    names = experiment_names(uri)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    some = f"there are {', '.join(names[:8])}" if names else "there is nothing"
    return BadInput(f"{said}{hint} ({some}); name one, or give another --tracking-uri")
