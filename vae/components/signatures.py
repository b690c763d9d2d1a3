"""The options of a class or function: its keyword-only parameters, read without importing it."""

from __future__ import annotations

import ast
import builtins
import difflib
import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vae.components.local_modules import LocalModule, LocalModules, names_bound, on_disk
from vae.errors import BadInput, at

Plain = int | float | str | bool | None | tuple[Any, ...]
"""What an option may be."""

Options = dict[str, Plain]
"""By name, in the order of the signature."""

Find = Callable[[str], LocalModule | None]
"""The file of a dotted module name, where it can be read."""

_BASES_WITHOUT_OPTIONS = ("abc", "torch", "typing")


class OnlyImportingTells(Exception):
    """What a name stands for cannot be read off its file."""


@dataclass(frozen=True)
class Definition:
    """A class or function where it is written."""

    module: LocalModule
    node: ast.ClassDef | ast.FunctionDef

    @property
    def place(self) -> str:
        """FILE:LINE"""
        return f"{self.module.shown}:{self.node.lineno}"


def package_file(name: str) -> LocalModule | None:
    """The file of a module of this package."""
    return _package().find(name) if name.startswith("vae.") else None


@functools.cache
def _package() -> LocalModules:
    return on_disk(Path(__file__).resolve().parents[2], hidden=())


def find_definition(find: Find, module: LocalModule, name: str) -> Definition:
    """Where `name`, of the top level of `module`, is defined.

    Raises:
        BadInput: when nothing in the file makes such a name.
        OnlyImportingTells: when something other than a plain `class`, `def` or import makes it.
    """
    makers = [s for s in module.tree.body if names_bound(s) & {name, "*"}]
    if not makers:
        raise BadInput(_no_such_name(module, name))
    maker = makers[-1]
    if isinstance(maker, ast.ClassDef | ast.FunctionDef) and not maker.decorator_list:
        return Definition(module, maker)
    if isinstance(maker, ast.ImportFrom):
        wanted = next((w for w in module.imports(maker) if w.binds == name), None)
        if wanted and (elsewhere := find(wanted.module)):
            return find_definition(find, elsewhere, str(wanted.attribute))
    raise OnlyImportingTells


def _no_such_name(module: LocalModule, name: str) -> str:
    kinds = (ast.ClassDef, ast.FunctionDef)
    offered = [s.name for s in module.tree.body if isinstance(s, kinds)]
    close = difflib.get_close_matches(name, offered, n=1, cutoff=0.5)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    return f"{module.shown}:1: has no '{name}'{hint} ({', '.join(offered) or 'it has none'})"


def read_options(find: Find, definition: Definition) -> Options:
    """The options of a class or function, with their defaults.

    Raises:
        BadInput: for a keyword-only parameter that can be no option.
        OnlyImportingTells: when it inherits them from what cannot be read, or computes a default.
    """
    found = _constructor(find, definition)
    if found is None:
        return {}
    place, arguments = found
    options: Options = {}
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        with at(f"{place}: option '{argument.arg}'"):
            if default is None:
                raise BadInput("needs a default")
            try:
                options[argument.arg] = _check_plain(ast.literal_eval(default))
            except (ValueError, TypeError, SyntaxError) as error:
                if isinstance(error, BadInput):
                    raise
                raise OnlyImportingTells from error
    return options


def _constructor(find: Find, definition: Definition) -> tuple[str, ast.arguments] | None:
    """FILE:LINE and the parameters of what makes an object; None if nothing of one's own does."""
    module, node = definition.module, definition.node
    if isinstance(node, ast.FunctionDef):
        return definition.place, node.args
    for statement in node.body:
        if "__init__" in names_bound(statement) or "__new__" in names_bound(statement):
            if isinstance(statement, ast.FunctionDef) and not statement.decorator_list:
                return f"{module.shown}:{statement.lineno}", statement.args
            raise OnlyImportingTells
    if node.keywords:  # a metaclass
        raise OnlyImportingTells
    for base in node.bases:
        inherited = _base(find, module, base)
        found = _constructor(find, inherited) if inherited else None
        if found is not None:
            return found
    return None


def _base(find: Find, module: LocalModule, base: ast.expr) -> Definition | None:
    """Where a base class is written; None for one that has no options."""
    first = ast.unparse(base).partition(".")[0]
    makers = [s for s in module.tree.body if first in names_bound(s)]
    if not makers and hasattr(builtins, first):
        return None
    for wanted in (w for s in makers for w in module.imports(s) if w.binds == first):
        if wanted.module.partition(".")[0] in _BASES_WITHOUT_OPTIONS and not find(wanted.module):
            return None
    if not isinstance(base, ast.Name):
        raise OnlyImportingTells
    return find_definition(find, module, first)


def options_of_object(made: Any) -> Options:
    """As `read_options`, of the imported class or function; BadInput likewise."""
    try:
        parameters = inspect.signature(made).parameters.values()
    except (TypeError, ValueError):  # of something written in C
        return {}
    options: Options = {}
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY:
            if parameter.default is parameter.empty:
                raise BadInput(f"option '{parameter.name}' needs a default")
            if isinstance(parameter.default, int | float | str | tuple | None):
                options[parameter.name] = _check_plain(parameter.default)
    return options


def _check_plain(value: Any) -> Plain:
    if isinstance(value, tuple):
        return tuple(_check_plain(item) for item in value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise BadInput(f"should be a number, a text, true or false, or a tuple (got {value!r:.60})")


# --------------------------------------------------------------------------- values


def check_value(default: Plain, value: Any) -> Plain:
    """`value` as an option with that default holds it: of the default's type.

    Raises:
        BadInput: for a value of another type.
    """
    if isinstance(default, tuple):
        return _check_tuple(default, value)
    if default is None:
        return _check_plain(with_tuples(value))
    if isinstance(default, bool):
        return _of_type(bool, value, "true or false")
    if isinstance(default, int):
        whole = isinstance(value, float) and value.is_integer()
        return _of_type(int, int(value) if whole else value, "a whole number")
    if isinstance(default, float):
        return _check_float(value)
    return _of_type(str, value, "a text")


def _check_tuple(default: tuple[Any, ...], value: Any) -> Plain:
    if not isinstance(value, list | tuple):
        raise BadInput(f"should be a list, such as {list(default)} (got {value!r})")
    if not default:
        return _check_plain(with_tuples(value))
    return tuple(check_value(default[0], item) for item in value)


def _check_float(value: Any) -> float:
    try:  # YAML reads `1e-3` as a text
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise BadInput(f"should be a number (got {value!r})")
    return number


def _of_type(kind: type, value: Any, wanted: str) -> Any:
    if type(value) is not kind:
        raise BadInput(f"should be {wanted} (got {value!r})")
    return value


def with_tuples(value: Any) -> Any:
    """`value` with tuples for lists, as YAML and JSON give them."""
    return tuple(map(with_tuples, value)) if isinstance(value, list | tuple) else value
