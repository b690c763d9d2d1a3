"""What the fields of a configuration name: components with their options, by field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from vae.components.component import Component, check_component
from vae.components.registry import KINDS, check_name
from vae.data.datasets import check_dataset
from vae.errors import BadInput, at


def resolve_components(
    values: Mapping[str, Any], options: Mapping[str, Any], digests: Mapping[str, str]
) -> dict[str, Component]:
    """By field, what it names; raises BadInput for an option that nothing takes.

    Args:
        values: of the fields that name components; one that is no text is left out
        options: by their whole names
        digests: of the user's own, from `check_named`
    """
    for option in options:
        with at(option):
            check_name(KINDS, option.partition(".")[0], "component")
    components = {}
    for kind in KINDS:
        if isinstance(values[kind], str):
            with at(kind):
                component = checked_before(kind, values[kind], digests.get(kind))
            components[kind] = component.with_options(own_options(kind, options))
    return components


def own_options(kind: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of one component, by their names without its kind."""
    prefix = f"{kind}."
    return {o.removeprefix(prefix): v for o, v in options.items() if o.startswith(prefix)}


def checked_before(kind: str, value: str, digest: str | None) -> Component:
    """What a stored configuration names: no file is read, or executed, because it says so."""
    if digest and value not in KINDS[kind]:
        return check_named(kind, value, digest=digest)
    if ":" in value:
        raise BadInput(f"'{value}' is not of this package and comes without a digest")
    return check_component(kind, value)


def check_named(
    kind: str, value: str, base_folder: Path | None = None, digest: str | None = None
) -> Component:
    """What `value` of a field in `registry.KINDS` stands for, with its options at their defaults.

    Arguments and errors are those of `check_component`.
    """
    if kind == "dataset":
        return check_dataset(value, base_folder or Path.cwd(), digest)
    return check_component(kind, value, base_folder, digest)


def all_options(components: Iterable[Component]) -> dict[str, Any]:
    """The options of components by their whole names."""
    return {f"{c.kind}.{name}": value for c in components for name, value in c.options}
