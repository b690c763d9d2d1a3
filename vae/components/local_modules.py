"""Python files beside each other: which of them an import means, read without executing any."""

from __future__ import annotations

import ast
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from vae.errors import BadInput

_OURS = {"experiments", "vae"}
"""Always this package's, also where a user's file lies beside them in a checkout."""

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass(frozen=True)
class Import:
    """One name that an import statement asks for.

    Attributes:
        module: dotted, `blocks.conv`; of a relative import, resolved; empty for `from . import x`
        attribute: of the module; None for `import module`, `*` for all of them
        binds: the name that it has afterwards
        relative: whether it can only be a module beside
    """

    module: str
    attribute: str | None
    binds: str
    relative: bool

    @property
    def full_name(self) -> str:
        """Of the module that is meant if it is no attribute of another one."""
        if self.attribute in (None, "*"):
            return self.module
        return f"{self.module}.{self.attribute}".lstrip(".")


@dataclass(frozen=True)
class LocalModule:
    """A parsed file.

    Attributes:
        name: dotted, `blocks.conv`
        path: relative to the folder of the files, `blocks/conv.py`
    """

    name: str
    path: str
    text: str
    shown: str
    """The path as a person knows it, for messages."""

    @cached_property
    def tree(self) -> ast.Module:
        """Raises BadInput for what is not Python."""
        try:
            return ast.parse(self.text)
        except SyntaxError as error:
            raise BadInput(f"{self.shown}:{error.lineno or 1}: {error.msg}") from error
        except (ValueError, RecursionError, MemoryError) as error:  # null bytes; nested too deeply
            raise BadInput(f"{self.shown}: is not Python: {error}") from error

    @property
    def package(self) -> str:
        """What `from . import x` means here."""
        is_package = self.path.endswith("__init__.py")
        return self.name if is_package else self.name.rpartition(".")[0]

    def imports(self, node: ast.AST) -> Iterator[Import]:
        """Everything that `node`, a part of this file, imports."""
        for statement in ast.walk(node):
            if isinstance(statement, ast.Import):
                for alias in statement.names:
                    binds = alias.asname or alias.name.partition(".")[0]
                    yield Import(alias.name, None, binds, relative=False)
            elif isinstance(statement, ast.ImportFrom):
                module = self._absolute(statement)
                for alias in statement.names:
                    binds = alias.asname or alias.name
                    yield Import(module, alias.name, binds, relative=statement.level > 0)

    def _absolute(self, statement: ast.ImportFrom) -> str:
        if not statement.level:
            return statement.module or ""
        parents = self.package.split(".") if self.package else []
        kept = parents[: len(parents) - (statement.level - 1)]
        return ".".join([*kept, *([statement.module] if statement.module else [])])


class LocalModules:
    """The files of one folder as Python would import them with that folder first on its path."""

    def __init__(
        self,
        read: Callable[[str], str | None],
        shown: Callable[[str], str],
        hidden: Collection[str] = _OURS,
    ) -> None:
        """Args:
        read: the text of a path relative to the folder; None if there is no such file
        shown: the path as a person knows it
        hidden: top-level modules that are not looked for
        """
        self._read = read
        self._shown = shown
        self._hidden = hidden
        self._found: dict[str, LocalModule | None] = {}

    def find(self, name: str) -> LocalModule | None:
        """The file of a dotted module name, if it is one of these."""
        if name not in self._found:
            self._found[name] = self._find(name)
        return self._found[name]

    def _find(self, name: str) -> LocalModule | None:
        if not name or name.partition(".")[0] in self._hidden:
            return None
        base = name.replace(".", "/")
        for path in (f"{base}/__init__.py", f"{base}.py"):
            if (text := self._read(path)) is not None:
                return LocalModule(name, path, text, self._shown(path))
        return None

    def meant_by(self, wanted: Import) -> Iterator[LocalModule]:
        """The files that an import executes, its parent packages first; none if not local."""
        return self.with_parents(wanted.full_name)

    def with_parents(self, name: str) -> Iterator[LocalModule]:
        """`blocks`, where it has an `__init__.py`, and `blocks.conv`."""
        parts = name.split(".")
        for i in range(1, len(parts) + 1):
            if module := self.find(".".join(parts[:i])):
                yield module


def on_disk(folder: Path, hidden: Collection[str] = _OURS) -> LocalModules:
    """The files of `folder`; BadInput, when one is met, for a file that cannot be read."""

    def read(path: str) -> str | None:
        file = folder / path
        try:
            return file.read_text(encoding="utf-8") if file.is_file() else None
        except UnicodeDecodeError as error:
            raise BadInput(f"{shown(file)}: is not UTF-8 text") from error
        except OSError as error:
            raise BadInput(f"{shown(file)}: cannot be read: {error.strerror}") from error

    return LocalModules(read, lambda path: shown(folder / path), hidden)


def shown(path: Path) -> str:
    """`path` as a person knows it: relative to the current folder where it is below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def names_bound(statement: ast.stmt) -> set[str]:
    """The names that a statement at the top level of a file may bind; `*` of a star import."""
    if isinstance(statement, DEFINITIONS):
        return {statement.name}
    names = set()
    for node in ast.walk(statement):
        if isinstance(node, DEFINITIONS):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names
