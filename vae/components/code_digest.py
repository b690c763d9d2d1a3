"""A digest of the code that a class or function consists of, whatever its layout.

Of a file counts what the named definition reaches: itself, the definitions and constants that it
uses, in its own file and in the local ones that it imports from, and every statement that is
executed for its effect. So an edit of one network in a file does not make the others beside it
new, and neither do comments, docstrings and blank lines.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from vae.components.local_modules import DEFINITIONS, Import, LocalModule, LocalModules, names_bound

_BUILT_ON = {"experiments", "numpy", "torch", "torchvision", "vae"}
"""What the networks of this package are computed with too, whose identity ignores versions."""

_SEES_EVERYTHING = {"eval", "exec", "globals"}
"""What can reach a definition without writing its name."""

_ASSIGNMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign)
_NOT_EXECUTED = ("__name__ == '__main__'", "TYPE_CHECKING", "typing.TYPE_CHECKING")


class Reached:
    """What a definition reaches, gathered from one statement after another."""

    def __init__(self, modules: LocalModules) -> None:
        self._modules = modules
        self._contents: dict[str, _Content] = {}
        self.packages: set[str] = set()
        """Top-level names of what it imports that is neither local nor of Python itself."""

    def add(self, module: LocalModule, name: str) -> None:
        """What `name`, bound at the top level of `module`, reaches; all of it if none is found."""
        content = self._executed(module)
        self._take(content, content.bindings.get(name, content.statements))

    def _executed(self, module: LocalModule) -> _Content:
        """The module with what importing it does, also by what it imports in turn."""
        if module.name not in self._contents:
            content = self._contents[module.name] = _Content(module)
            self._take(content, content.effects)
            for statement in content.statements:
                if isinstance(statement, ast.Import | ast.ImportFrom):
                    for wanted in module.imports(statement):
                        for imported in self._modules.meant_by(wanted):
                            self._executed(imported)
        return self._contents[module.name]

    def _take(self, content: _Content, statements: Iterable[ast.stmt]) -> None:
        for statement in statements:
            if statement in content.taken:
                continue
            content.taken.add(statement)
            for wanted in content.module.imports(statement):
                self._follow(wanted)
            names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
            if names & _SEES_EVERYTHING:
                self._take(content, content.statements)
            for name in names & content.bindings.keys():
                self._take(content, content.bindings[name])

    def _follow(self, wanted: Import) -> None:
        met = list(self._modules.meant_by(wanted))
        for module in met:
            content = self._executed(module)
            if wanted.attribute in (None, "*") or module.name == wanted.full_name:
                self._take(content, content.statements)
        module_of_name = self._modules.find(wanted.module)
        if module_of_name and not self._modules.find(wanted.full_name):
            self.add(module_of_name, str(wanted.attribute))
        top = wanted.module.partition(".")[0]
        if not met and not wanted.relative and top not in _BUILT_ON | sys.stdlib_module_names:
            self.packages.add(top)

    def lines(self) -> Iterator[str]:
        """What was reached, as text, in the order of the modules' names and within their files."""
        for name, content in sorted(self._contents.items()):
            yield f"module {name}"
            yield from (canonical(s) for s in content.statements if s in content.taken)


class _Content:
    """The statements at the top level of a file.

    Attributes:
        effects: those that do more than to give a name to something
        bindings: by name, the statements that it comes from
        taken: those that count
    """

    def __init__(self, module: LocalModule) -> None:
        self.module = module
        self.statements = [s for s in _one_name_each(module.tree.body) if _is_executed(s)]
        self.effects: list[ast.stmt] = []
        self.bindings: dict[str, list[ast.stmt]] = {}
        self.taken: set[ast.stmt] = set()
        for statement in self.statements:
            if _has_effect(statement):
                self.effects.append(statement)
            for name in names_bound(statement):
                self.bindings.setdefault(name, []).append(statement)


def _one_name_each(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a file, with a statement of its own for each imported name."""
    for statement in body:
        if isinstance(statement, ast.Import):
            yield from (ast.Import(names=[alias]) for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            module, level = statement.module, statement.level
            yield from (ast.ImportFrom(module, [alias], level) for alias in statement.names)
        else:
            yield statement


def _is_executed(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.If) and not statement.orelse:
        return ast.unparse(statement.test) not in _NOT_EXECUTED
    return not _is_remark(statement)


def _has_effect(statement: ast.stmt) -> bool:
    if isinstance(statement, DEFINITIONS):
        return bool(statement.decorator_list)
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return statement.names[0].name == "*"
    if not isinstance(statement, _ASSIGNMENTS):
        return True
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    plain = all(isinstance(target, ast.Name | ast.Tuple) for target in targets)
    return not plain or any(isinstance(node, ast.Call) for node in ast.walk(statement))


def _is_remark(node: object) -> bool:
    """A docstring, or any other constant that stands alone."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def canonical(node: Any) -> str:
    """A syntax tree as text without comments, layout, docstrings and what a later Python adds."""
    if isinstance(node, list):
        return f"[{', '.join(canonical(item) for item in node if not _is_remark(item))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    # Empty fields say nothing, and later versions of Python have more of them.
    fields = (
        f"{name}={canonical(value)}"
        for name, value in ast.iter_fields(node)
        if value is not None and value != [] and name not in ("ctx", "kind", "type_comment")
    )
    return f"{type(node).__name__}({', '.join(fields)})"
