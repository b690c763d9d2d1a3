"""Which file an import means, read from text."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from vae.components.local_modules import LocalModule, names_bound, on_disk
from vae.errors import BadInput


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for path in ("nets.py", "helpers.py", "pack/__init__.py", "pack/sub/leaf.py", "vae/losses.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("importer", "statement", "files"),
    [
        ("nets", "import helpers", ["helpers.py"]),
        ("nets", "import helpers as h, torch", ["helpers.py"]),
        ("nets", "from helpers import anything", ["helpers.py"]),
        ("nets", "from . import helpers", ["helpers.py"]),
        ("nets", "from .helpers import x", ["helpers.py"]),
        ("nets", "import pack", ["pack/__init__.py"]),
        ("nets", "import pack.sub.leaf", ["pack/__init__.py", "pack/sub/leaf.py"]),
        ("nets", "from pack.sub import leaf", ["pack/__init__.py", "pack/sub/leaf.py"]),
        ("nets", "from pack.sub.leaf import x", ["pack/__init__.py", "pack/sub/leaf.py"]),
        ("pack.sub.leaf", "from ...helpers import x", ["helpers.py"]),
        ("pack.sub.leaf", "from .. import sub", ["pack/__init__.py"]),
        ("pack", "from .sub import leaf", ["pack/__init__.py", "pack/sub/leaf.py"]),
        ("nets", "import torch.nn", []),
        ("nets", "from torch import nn", []),
        ("nets", "from vae.losses import Gaussian", []),
        ("nets", "import math", []),
    ],
)
def test_what_an_import_executes(
    folder: Path, importer: str, statement: str, files: list[str]
) -> None:
    modules = on_disk(folder)
    module = modules.find(importer)
    assert module is not None
    imports = module.imports(ast.parse(f"def f():\n    {statement}\n"))
    found = [m.path for wanted in imports for m in modules.meant_by(wanted)]
    assert found == files


@pytest.mark.parametrize(
    ("statement", "names"),
    [
        ("x = 1", {"x"}),
        ("x, (y, z) = w", {"x", "y", "z"}),
        ("x: int = 1", {"x"}),
        ("def f():\n    y = 1", {"f"}),
        ("class A:\n    y = 1", {"A"}),
        ("import a.b, c as d", {"a", "d"}),
        ("from a import b as c", {"c"}),
        ("from a import *", {"*"}),
        ("try:\n    import a\nexcept ImportError:\n    a = None", {"a"}),
        ("if x:\n    def f(): pass", {"f"}),
        ("for i in x:\n    y = i", {"i", "y"}),
        ("x.y = 1", set()),
    ],
)
def test_names_that_a_statement_binds(statement: str, names: set[str]) -> None:
    assert names_bound(ast.parse(statement).body[0]) == names


def test_files_that_cannot_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "latin.py").write_bytes("x = 'é'".encode("latin-1"))
    monkeypatch.chdir(folder)
    with pytest.raises(BadInput, match=r"^latin\.py: is not UTF-8 text"):
        on_disk(folder).find("latin")


@pytest.mark.parametrize(
    ("text", "said"), [("x = (", ":1: "), ("\n\nx = = 1", ":3: "), ("x\0", "nets.py")]
)
def test_text_that_is_not_python(text: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        _ = LocalModule("nets", "nets.py", text, "nets.py").tree
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
