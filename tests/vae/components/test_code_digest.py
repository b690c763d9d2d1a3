"""Which edits make other code of a definition, and which do not."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vae.components.code_digest import canonical
from vae.components.user_code import read_code
from vae.errors import BadInput

NETS = '''"""Networks."""
import math

import mlxtend
from helpers import twice
from blocks import conv

WIDTH = 3
UNUSED = 4
TABLE = {}


def register(made):
    TABLE[made.__name__] = made
    return made


class Base:
    """What both are."""

    def size(self):
        return WIDTH


class Wide(Base):
    """A wide one."""

    def width(self):
        from lazy import factor

        return twice(self.size()) * factor + conv.KERNEL


class Narrow(Base):
    def width(self):
        return math.pi


@register
class Listed:
    pass
'''
FILES = {
    "nets.py": NETS,
    "helpers.py": "SCALE = 2\ndef twice(x):\n  return SCALE * x\ndef thrice(x):\n  return 3 * x\n",
    "blocks/__init__.py": "PLAIN = 1\nprint('imported')\n",
    "blocks/conv.py": "KERNEL = 3\n",
    "lazy.py": "factor = 5\n",
    "effects.py": "print('imported')\n",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def digest(folder: Path, name: str = "Wide") -> str:
    return read_code(folder, "nets", name).digest


def edit(folder: Path, file: str, old: str, new: str) -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("nets.py", '"""A wide one."""', '"""A very wide one."""'),
        ("nets.py", '    """A wide one."""\n\n', ""),
        ("nets.py", "WIDTH = 3", "# as in the paper\nWIDTH = (\n    3\n)  # units"),
        ("nets.py", "twice(self.size()) * factor", "(twice(\n  self.size()\n)) * factor"),
        ("nets.py", "math.pi", "math.e"),
        ("nets.py", "UNUSED = 4", "UNUSED = 5"),
        ("nets.py", "WIDTH = 3", "WIDTH = 0x3"),
        ("nets.py", "class Narrow(Base):", "def more():\n    return 1\n\n\nclass Narrow(Base):"),
        ("nets.py", "@register", "if __name__ == '__main__':\n    print(Wide)\n\n\n@register"),
        ("helpers.py", "3 * x", "4 * x"),
        ("blocks/__init__.py", "PLAIN = 1", "PLAIN = 2"),
    ],
)  # fmt: skip
def test_what_makes_no_other_code(folder: Path, file: str, old: str, new: str) -> None:
    before = digest(folder)
    edit(folder, file, old, new)
    assert digest(folder) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("nets.py", "* factor", "+ factor"),
        ("nets.py", "WIDTH = 3", "WIDTH = 4"),
        ("nets.py", "return WIDTH", "return WIDTH + 0"),
        ("nets.py", "class Wide(Base)", "class Wide"),
        ("nets.py", "    pass\n", "    x = 1\n"),  # what a decorator does with it, nobody knows
        ("nets.py", "UNUSED = 4", "UNUSED = math.sqrt(4)"),  # a call may do anything
        ("nets.py", "UNUSED = 4", "Base.size = lambda self: 9"),
        ("nets.py", "UNUSED = 4", "WIDTH += 1"),
        ("helpers.py", "SCALE * x", "SCALE + x"),
        ("helpers.py", "SCALE = 2", "SCALE = 3"),
        ("blocks/__init__.py", "'imported'", "'executed'"),
        ("blocks/conv.py", "KERNEL = 3", "KERNEL = 5"),
        ("lazy.py", "5", "6"),
        ("nets.py", "UNUSED = 4", "import effects"),  # importing it does something
    ],
)
def test_what_makes_other_code(folder: Path, file: str, old: str, new: str) -> None:
    before = digest(folder)
    edit(folder, file, old, new)
    assert digest(folder) != before


def test_definitions_of_one_file_have_digests_of_their_own(folder: Path) -> None:
    assert len({digest(folder, name) for name in ("Wide", "Narrow", "Base", "Listed")}) == 4


def test_a_definition_that_sees_everything_is_everything(folder: Path) -> None:
    edit(folder, "nets.py", "return math.pi", "return globals()['UNUSED']")
    before = digest(folder, "Narrow")
    edit(folder, "nets.py", "UNUSED = 4", "UNUSED = 5")
    assert digest(folder, "Narrow") != before


def test_a_folder_elsewhere_makes_no_other_code(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    other.mkdir()
    for name in FILES:
        (other / name).parent.mkdir(exist_ok=True)
        (other / name).write_text((folder / name).read_text())
    assert digest(other) == digest(folder)


def test_installed_packages_count_by_name_and_version(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(folder, "nets.py", "return math.pi", "return mlxtend")
    code = read_code(folder, "nets", "Narrow")
    assert [name for name, _ in code.packages] == ["mlxtend"]
    assert read_code(folder, "nets", "Base").packages == ()
    monkeypatch.setattr("vae.components.user_code.version_of", lambda package: "999")
    assert read_code(folder, "nets", "Narrow").digest != code.digest


def test_what_this_package_is_built_on_does_not_count(folder: Path) -> None:
    (folder / "plain.py").write_text(
        "import numpy, torch\nfrom torch import nn\nfrom vae.encoders import Encoder\n\n\n"
        "class Net(Encoder):\n    x = nn, numpy, torch\n"
    )
    assert read_code(folder, "plain", "Net").packages == ()


def test_a_file_that_is_not_python_is_told_with_its_line(folder: Path) -> None:
    edit(folder, "lazy.py", "factor = 5", "\nfactor = = 5")
    with pytest.raises(BadInput, match=r"lazy\.py:2: invalid syntax"):
        digest(folder)


expressions = st.recursive(
    st.one_of(
        st.integers(-5, 5).map(repr), st.sampled_from(["x", "None", "True", "'a'", "f'{x}!'"])
    ),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: f"({pair[0]} + {pair[1]})"),
        st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        inner.map(lambda body: f"(lambda x, *, y=1: {body})"),
    ),
    max_leaves=8,
)


@given(expressions, expressions)
def test_canonical_text_is_equal_exactly_for_equal_trees(first: str, second: str) -> None:
    trees = [ast.parse(text) for text in (first, second)]
    equal = ast.dump(trees[0]) == ast.dump(trees[1])
    as_statements = [canonical(ast.parse(f"y = {text}")) for text in (first, second)]
    assert (as_statements[0] == as_statements[1]) == equal
