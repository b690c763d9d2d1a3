"""The user's own code: read as text, told apart by its digest, executed where it is asked for.

The text that was read when a sweep started is what every worker executes, so that an edit during
a sweep cannot put other code behind numbers that carry the digest of this one.
"""

from __future__ import annotations

import builtins
import functools
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.metadata
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from vae.components.code_digest import Reached
from vae.components.local_modules import LocalModule, LocalModules, names_bound, on_disk, shown
from vae.errors import BadInput

_PREFIX = "_user_code_"


@dataclass(frozen=True)
class Code:
    """A class or function in a file, with the local files that the file imports: plain values.

    Attributes:
        module: dotted name of its file among the files, such as `nets`
        name: of the class or function
        files: (path relative to their folder, text) of every file that an import may execute;
            none of an installed package, of which the version tells enough
        packages: (name, version) of the installed packages that it uses; no version if missing
        folder: where the files were read; for messages alone
    """

    module: str
    name: str
    files: tuple[tuple[str, str], ...]
    packages: tuple[tuple[str, str], ...]
    folder: str

    @property
    def modules(self) -> LocalModules:
        folder = Path(self.folder)
        return LocalModules(dict(self.files).get, lambda path: shown(folder / path))

    def has(self, name: str) -> bool:
        """Whether a module of that dotted name, or one below it, is among the files."""
        inside = f"{name.replace('.', '/')}/"
        return any(self.modules.with_parents(name)) or any(
            path.startswith(inside) for path, _ in self.files
        )

    @property
    def place(self) -> str:
        """FILE:LINE of the definition, or as near as the text tells."""
        file = self.modules.find(self.module)
        if file is None:
            return self.module
        makers = [s for s in file.tree.body if self.name in names_bound(s)]
        return f"{file.shown}:{makers[-1].lineno if makers else 1}"

    @cached_property
    def digest(self) -> str:
        """Sixteen hexadecimal digits, the same wherever the files lie."""
        modules, lines = self.modules, [self.name]
        if self.files:
            lines += _reached(modules, self.module, self.name).lines()
        else:
            lines.append(self.module)
        content = json.dumps([lines, self.packages])
        return hashlib.sha256(content.encode()).hexdigest()[:16]


def read_code(folder: Path, module: str, name: str) -> Code:
    """The code of `name` in a file of `folder`; executes nothing.

    Raises:
        BadInput: for a file that is not Python, with its line.
    """
    modules = on_disk(folder)
    files: dict[str, str] = {}
    to_read = list(modules.with_parents(module))
    while to_read:
        file = to_read.pop()
        if file.path not in files:
            files[file.path] = file.text
            for wanted in file.imports(file.tree):
                to_read += modules.meant_by(wanted)
    packages = sorted(_reached(modules, module, name).packages)
    versions = tuple((package, version_of(package)) for package in packages)
    return Code(module, name, tuple(sorted(files.items())), versions, str(folder))


def find_local(folder: Path, value: str) -> Code | None:
    """The code of `FILE.py:NAME` if the file is in `folder` or below, whoever asks for it."""
    place, _, name = value.rpartition(":")
    file = PurePosixPath(place)
    if file.suffix != ".py" or file.is_absolute() or ".." in file.parts:
        return None
    try:
        return read_code(folder / file.parent, file.stem, name)
    except BadInput:  # it is not there, or no longer Python
        return None


def _reached(modules: LocalModules, module: str, name: str) -> Reached:
    reached = Reached(modules)
    file = modules.find(module)
    if file is None:
        raise BadInput(f"no file of module '{module}' is among those of its folder")
    reached.add(file, name)
    return reached


@functools.cache
def version_of(package: str) -> str:
    """Of the distribution that a top-level module comes from; empty if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:  # `PIL` is of another name: Pillow
        owners = importlib.metadata.packages_distributions().get(package, [])
        return importlib.metadata.version(owners[0]) if owners else ""


# ----------------------------------------------------- what this process may execute

_known: dict[str, Code] = {}


def remember(codes: Iterable[Code], under: str = "") -> None:
    """Let this process execute `codes`, which are the user's own.

    Args:
        under: the digest to know them by, where it is of more than the code
    """
    for code in codes:
        _known[under or code.digest] = code


def remember_all(codes: Mapping[str, Code]) -> None:
    """Let this process execute `codes`, known by their keys."""
    _known.update(codes)


def known_of(digests: Iterable[str]) -> dict[str, Code]:
    """Those of the digests that are of code."""
    return {digest: code for digest in digests if (code := known(digest))}


def known(digest: str) -> Code | None:
    """The code of that digest, if this process was given it."""
    return _known.get(digest)


# ------------------------------------------------------------------------ importing


def execute(code: Code) -> Any:
    """Import the file of `code` under a name of its own; returns the class or function.

    Raises:
        AttributeError, and whatever the file raises.
    """
    if not code.files:
        return getattr(importlib.import_module(code.module), code.name)
    text = json.dumps(code.files)
    root = f"{_PREFIX}{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
    _roots[root] = code
    return getattr(importlib.import_module(f"{root}.{code.module}"), code.name)


_roots: dict[str, Code] = {}
"""By the name under which their files are imported."""


class _Finder(importlib.abc.MetaPathFinder):
    """Finds the files of `_roots`, each as a module below its root."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        root, _, name = fullname.partition(".")
        if root not in _roots:
            return None
        code = _roots[root]
        module = code.modules.find(name)
        if module is None:
            if name and not code.has(name):
                return None
            return importlib.machinery.ModuleSpec(fullname, _Folder(), is_package=True)
        loader = _Loader(code, module, root)
        return importlib.machinery.ModuleSpec(
            fullname,
            loader,
            origin=loader.get_filename(),
            is_package=module.path.endswith("__init__.py"),
        )


class _Folder(importlib.abc.Loader):
    """Of a folder without an `__init__.py`, which has nothing to execute."""

    def exec_module(self, module: ModuleType) -> None:
        pass


class _Loader(importlib.abc.InspectLoader):
    """Executes a file's text, in which a file beside it is found before anything installed."""

    def __init__(self, code: Code, module: LocalModule, root: str) -> None:
        self._code = code
        self._module = module
        self._root = root

    def get_filename(self, fullname: str = "") -> str:
        return str(Path(self._code.folder) / self._module.path)

    def get_source(self, fullname: str) -> str:
        return self._module.text

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = self.get_filename()
        namespace: dict[str, Any] = module.__dict__
        # Documented of `exec`: a module may be given built-ins of its own, imports included.
        namespace["__builtins__"] = vars(builtins) | {"__import__": self._import}
        source = compile(self._module.text, module.__file__, "exec", dont_inherit=True)
        exec(source, namespace)  # noqa: S102 - the user's own, or trusted by --trust-code

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        if level or not self._code.has(name):
            return builtins.__import__(name, globals, locals, fromlist, level)
        module = builtins.__import__(f"{self._root}.{name}", globals, locals, fromlist, 0)
        return module if fromlist else getattr(module, name.partition(".")[0])
