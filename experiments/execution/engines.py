"""The engines by name: adding one is a file like its neighbours and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.execution import processes, ray_cluster, serial, slurm
from experiments.execution.engine import Engine, Option
from vae.errors import BadInput

ENGINES: dict[str, Engine] = {
    "processes": processes.ENGINE,
    "serial": serial.ENGINE,
    "ray": ray_cluster.ENGINE,
    "slurm": slurm.ENGINE,
}


def takers_of_options() -> dict[Option, list[str]]:
    """The names of the engines that take each option, in the order of the table."""
    takers: dict[Option, list[str]] = {}
    for name, engine in ENGINES.items():
        for option in engine.options:
            takers.setdefault(option, []).append(name)
    return takers


def options_of(engine: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The engine's options by name; those that are not given, or None, at their defaults.

    Raises:
        BadInput: for one that only other engines take.
    """
    takers = takers_of_options()
    for option, names in takers.items():
        if engine not in names and given.get(option.name) is not None:
            raise BadInput(
                f"{option.flag}: --engine {engine} does not take it (only {', '.join(names)})"
            )
    values = {option.name: given.get(option.name) for option in ENGINES[engine].options}
    defaults = {option.name: option.default for option in ENGINES[engine].options}
    return {name: defaults[name] if value is None else value for name, value in values.items()}
