"""Fields as a person wrote them, made into configurations."""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import ValidationError

from vae.components.component import Component
from vae.components.registry import KINDS
from vae.configuration import Configuration, default_sizes, explain
from vae.data.datasets import complete, describe
from vae.errors import BadInput
from vae.resolution import all_options, check_named, own_options

DEFAULTS: dict[str, Any] = {
    name: field.default
    for name, field in Configuration.model_fields.items()
    if name not in ("options", "digests")
}
"""The plain fields, with their values where nobody says."""


class Resolver:
    """Makes configurations of fields, of which options count for the components that take them.

    The user's own files are read once, so that an experiment is of one state of them.
    """

    def __init__(self, folder: Path | None = None) -> None:
        """Args: folder: that files in values are relative to; by default the current one"""
        self.folder = folder or Path.cwd()
        self._named: dict[tuple[str, str], Component] = {}

    def component(self, kind: str, fields: Mapping[str, Any]) -> Component:
        """What `fields` name of that kind, with those of their options that it takes."""
        value = fields.get(kind, DEFAULTS[kind])
        if (kind, value) not in self._named:
            self._named[kind, value] = check_named(kind, value, self.folder)
        named = self._named[kind, value]
        given = own_options(kind, fields)
        component = named.with_options({n: given[n] for n, _ in named.options if n in given})
        return complete(component, self.folder) if kind == "dataset" else component

    def components(self, fields: Mapping[str, Any]) -> dict[str, Component]:
        """By kind, as `component`."""
        return {kind: self.component(kind, fields) for kind in KINDS}

    def options_of(self, kind: str, values: Iterable[Any]) -> set[str]:
        """The options, by their whole names, that some of the values of a field take."""
        return set(all_options(self.component(kind, {kind: value}) for value in values))

    def effective(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Every field and every option that is taken, whether it is among `fields` or not."""
        plain = {name: value for name, value in fields.items() if "." not in name}
        components = self.components(fields)
        data = describe(components["dataset"])
        sizes = default_sizes(data) if data else {}
        return DEFAULTS | sizes | plain | all_options(components.values())

    def configuration(self, fields: Mapping[str, Any], varying: Mapping[str, Any]) -> Configuration:
        """Raises BadInput that names what varies."""
        components = self.components(fields)
        plain = {name: value for name, value in fields.items() if "." not in name}
        digests = {kind: c.digest for kind, c in components.items() if c.digest}
        try:
            return Configuration(**plain, options=all_options(components.values()), digests=digests)
        except ValidationError as error:
            where = ", ".join(f"{field}={value}" for field, value in varying.items())
            raise BadInput(f"{where}: {explain(error)}" if where else explain(error)) from error


def refuse_unused_options(
    sections: Iterable[tuple[str, Iterable[str]]], taken: Collection[str]
) -> None:
    """Raise BadInput for an option that no component of an experiment takes.

    Args:
        sections: the parts of a file, with the fields in each
        taken: the options that some component takes
    """
    for place, fields in sections:
        for name in fields:
            if "." in name and name not in taken:
                kind = name.partition(".")[0]
                options = [option for option in taken if "." in option]
                close = difflib.get_close_matches(name, options, n=1, cutoff=0.5)
                hint = f"; did you mean '{close[0]}'?" if close else ""
                own = sorted(option for option in taken if option.startswith(f"{kind}."))
                offered = f"({', '.join(own)})" if own else "(they take none)"
                raise BadInput(f"{place}.{name}: is no option of any {kind} here{hint} {offered}")


def moved(kind: str, value: str, from_folder: Path, to_folder: Path) -> str:
    """`value`, in which a file relative to one folder becomes relative to another."""
    place, colon, name = value.rpartition(":") if ":" in value else (value, "", "")
    if value in KINDS[kind] or not (from_folder / place).exists():
        return value
    path = os.path.relpath(from_folder / place, to_folder)
    return f"{PurePosixPath(path)}{colon}{name}"
