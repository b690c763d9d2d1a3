"""Components: what the names in an experiment file stand for, and the options that they take.

A value is a built-in name, `FILE.py:NAME` or `package.module:NAME`. All of it is checked without
importing torch: the built-ins' tables hold import paths, and signatures are read as text.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from vae.components import user_code
from vae.components.blame import executed
from vae.components.registry import KINDS, RENAMED, check_name
from vae.components.signatures import (
    OnlyImportingTells,
    Options,
    Plain,
    check_value,
    find_definition,
    options_of_object,
    package_file,
    read_options,
)
from vae.components.user_code import Code
from vae.errors import BadInput, at


@dataclass(frozen=True)
class Component:
    """What a field of a configuration names, with its options.

    Attributes:
        kind: the field, `encoder`
        value: `mlp3`, `nets.py:Wide`, `package.module:Wide`, `faces.npz`
        target: `module:attribute` in this package; empty for the user's own code
        digest: of the user's own code or data; empty for what this package alone determines
        options: every option that it takes, by its name without the kind
    """

    kind: str
    value: str
    target: str
    digest: str = ""
    options: tuple[tuple[str, Plain], ...] = ()

    @property
    def is_code(self) -> bool:
        """Whether it is the user's own code."""
        return bool(self.digest) and not self.target

    @property
    def identifying_value(self) -> str:
        """The value without the folders, which a digest does not depend on."""
        return PurePosixPath(self.value).name if self.digest else self.value

    def load(self) -> Any:
        """The class or function itself.

        Raises:
            BadInput: for the user's own code that this process was not given.
        """
        if self.target:
            module, _, attribute = self.target.partition(":")
            return getattr(importlib.import_module(module), attribute)
        code = user_code.known(self.digest)
        if code is None:
            raise BadInput(
                f"{self.kind} '{self.value}' is somebody's own code ({self.digest[:4]}…), not in "
                f"this folder as it was: go to where it is, or give --trust-code to execute the "
                f"copy in the archive"
            )
        return executed(code)

    def make(self, *given: Any) -> Any:
        """An object of the class, or the function's result, from what its kind is given."""
        return self.load()(*given, **dict(self.options))

    def with_options(self, values: Mapping[str, Any]) -> Component:
        """The same with other values of some options.

        Raises:
            BadInput: for one that it does not take, or a value of another type.
        """
        if self._is_elsewhere:  # its signature is not known: what was written down is trusted
            return replace(
                self, options=tuple((n, check_value(None, v)) for n, v in values.items())
            )
        options = dict(self.options)
        for name, value in values.items():
            if name not in options:
                raise BadInput(f"{self.kind}.{name}: {self._has_no(name)}")
            with at(f"{self.kind}.{name}"):
                options[name] = check_value(self.defaults[name], value)
        return replace(self, options=tuple(options.items()))

    def without_defaults(self) -> Component:
        """The same with those options alone that are not at their defaults."""
        defaults = self.defaults
        return replace(self, options=tuple((n, v) for n, v in self.options if v != defaults[n]))

    @property
    def defaults(self) -> Options:
        """By option, the value where none is given."""
        code = user_code.known(self.digest) if self.is_code else None
        return _options_of_code(code) if code else _options_of_target(self.target)

    @property
    def _is_elsewhere(self) -> bool:
        return self.is_code and user_code.known(self.digest) is None

    def _has_no(self, option: str) -> str:
        names = [f"{self.kind}.{name}" for name, _ in self.options]
        close = difflib.get_close_matches(f"{self.kind}.{option}", names, n=1, cutoff=0.5)
        hint = f"did you mean '{close[0]}'? " if close else ""
        takes = f"({', '.join(names)})" if names else "it takes none"
        return f"is no option of {self.kind} '{self.value}'; {hint}{takes}"


def built_in(kind: str, value: str, target: str, digest: str = "") -> Component:
    """A component of this package with its options at their defaults.

    Args:
        target: `module:attribute` of what takes the options; empty for none
        digest: of the data that `value` names, where it is no name of this package
    """
    return Component(kind, value, target, digest, tuple(_options_of_target(target).items()))


def check_component(
    kind: str, value: str, base_folder: Path | None = None, digest: str | None = None
) -> Component:
    """What `value` stands for, with its options at their defaults.

    Args:
        kind: a field of `registry.KINDS`
        base_folder: that a FILE is relative to; by default the current one
        digest: of the user's own code, where it was checked before: nothing is read then

    Raises:
        BadInput: naming the choices, or FILE:LINE.
    """
    if ":" not in value:
        return built_in(kind, value, _target(kind, value))
    if digest:
        code = user_code.known(digest)
        options = _options_of_code(code) if code else {}
        return Component(kind, value, "", digest, tuple(options.items()))
    place, _, name = value.rpartition(":")
    if not name.isidentifier():
        raise BadInput(f"'{value}' should be FILE.py:NAME or package.module:NAME")
    if place.endswith(".py"):
        value, code = _read_file(place, name, base_folder or Path.cwd())
    else:
        code = _find_module(place, name)
    user_code.remember([code])
    return Component(kind, value, "", code.digest, tuple(_options_of_code(code).items()))


def _target(kind: str, name: str) -> str:
    if name.endswith(".py"):
        raise BadInput(f"'{name}' should also name what of it is the {kind}: {name}:NAME")
    if (kind, name) in RENAMED:
        raise BadInput(RENAMED[kind, name])
    return KINDS[kind][check_name(KINDS[kind], name, kind)]


def _read_file(place: str, name: str, base_folder: Path) -> tuple[str, Code]:
    path = Path(os.path.abspath(base_folder / place))  # noqa: PTH100 - keeps links as they are
    if not path.is_file():
        raise BadInput(f"'{place}:{name}': no such file: {path}")
    if "." in path.stem:
        raise BadInput(f"'{place}:{name}': a file that is imported has no other dot in its name")
    value = f"{PurePosixPath(os.path.relpath(path, base_folder))}:{name}"
    return value, user_code.read_code(path.parent, path.stem, name)


def _find_module(module: str, name: str) -> Code:
    """Of an installed package; or of a folder on Python's path, whose files are read."""
    path = None
    for part in _prefixes(module):
        specs = (finder.find_spec(part, path) for finder in sys.meta_path)
        spec = next(filter(None, specs), None)
        if spec is None:
            raise BadInput(
                f"'{module}:{name}': no module '{part}' is installed; a file is FILE.py:NAME"
            )
        path = list(spec.submodule_search_locations or [])
    file = Path(spec.origin or "") if spec else Path()
    if file.suffix != ".py" or {"site-packages", "dist-packages"} & set(file.parts):
        top = module.partition(".")[0]
        return Code(module, name, (), ((top, user_code.version_of(top)),), "")
    depth = module.count(".") + (2 if file.name == "__init__.py" else 1)
    return user_code.read_code(file.parents[depth - 1], module, name)


def _prefixes(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


# -------------------------------------------------------------------------- options


@functools.cache
def _options_of_target(target: str) -> Options:
    if not target:
        return {}
    module, _, name = target.partition(":")
    file = package_file(module)
    if file is None:
        raise LookupError(f"no module {module} of this package")
    return read_options(package_file, find_definition(package_file, file, name))


_options: dict[str, Options] = {}
"""By the digest of the code that takes them."""


def _options_of_code(code: Code) -> Options:
    if code.digest not in _options:
        _options[code.digest] = _read_options_of(code)
    return _options[code.digest]


def _read_options_of(code: Code) -> Options:
    modules = code.modules
    file = modules.find(code.module)
    try:
        if file is None:
            raise OnlyImportingTells
        find = lambda name: modules.find(name) or package_file(name)  # noqa: E731
        return read_options(find, find_definition(find, file, code.name))
    except (OnlyImportingTells, RecursionError):
        with at(f"{file.shown}:1" if file else code.module):
            return options_of_object(executed(code))
