"""Which configuration a control names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vae.components.signatures import check_value
from vae.configuration import Configuration
from vae.errors import BadInput

Fields = Mapping[str, Any]


def find_control(configurations: Sequence[Fields], control: Fields) -> int | None:
    """The place of the configuration that has these fields, and of what else varies the defaults.

    Args:
        configurations: of each, the value of every field and option that it has

    Returns:
        None where there is none.

    Raises:
        BadInput: when several configurations have all of that.
    """
    places = _having(configurations, range(len(configurations)), control)
    for name in _varying(configurations, places):
        if name in Configuration.model_fields and name not in control:
            default = {name: Configuration.model_fields[name].default}
            places = _having(configurations, places, default) or places
    if len(places) > 1:
        left = ", ".join(_varying(configurations, places))
        say = f"; say {left} as well" if left else ""
        raise BadInput(f"{write_control(control)}: {len(places)} configurations have that{say}")
    return places[0] if places else None


def _varying(configurations: Sequence[Fields], among: Sequence[int]) -> list[str]:
    names = dict.fromkeys(name for i in among for name in configurations[i])
    return [n for n in names if len({repr(configurations[i].get(n)) for i in among}) > 1]


def _having(configurations: Sequence[Fields], among: Sequence[int], fields: Fields) -> list[int]:
    return [i for i in among if all(_has(configurations[i], n, v) for n, v in fields.items())]


def _has(configuration: Fields, name: str, value: Any) -> bool:
    """An option is of the type of its default; a configuration may lack it."""
    if name not in configuration:
        return False
    wanted = check_value(configuration[name], value) if "." in name else value
    return bool(configuration[name] == wanted)


def write_control(control: Fields) -> str:
    """`encoder=mlp3, loss=sse`."""
    return ", ".join(f"{name}={value}" for name, value in control.items())
