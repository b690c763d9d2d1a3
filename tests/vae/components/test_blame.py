"""What goes wrong in the user's own code is told with its file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from vae.components.blame import blamed, executed
from vae.components.user_code import Code, read_code
from vae.errors import BadInput


def code(folder: Path, text: str, name: str = "made", **others: str) -> Code:
    for file, content in {"nets": text, **others}.items():
        (folder / f"{file}.py").write_text(content)
    return read_code(folder, "nets", name)


def test_what_works_is_the_thing_itself(tmp_path: Path) -> None:
    made = executed(code(tmp_path, "def made(x):\n    return x + 1\n"))
    assert made(1) == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = 1\n1 / 0\n\n\ndef made(): ...\n", r"nets\.py:2: ZeroDivisionError: division by"),
        ("raise SystemExit('no')\n\n\ndef made(): ...\n", r"nets\.py:1: SystemExit: no"),
        ("raise ValueError\n\n\ndef made(): ...\n", r"nets\.py:1: ValueError: $"),
        ("raise ValueError('a\\nb')\n\n\ndef made(): ...\n", r"nets\.py:1: ValueError: a$"),
        ("from beside import x\n\n\ndef made(): ...\n", r"beside\.py:3: KeyError"),
        ("made = 5\n", r"made is 5, not a class or a function"),
    ],
)
def test_what_fails_when_it_is_imported(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        executed(code(tmp_path, text, beside="\n\n{}['x']\n"))


def test_the_deepest_line_of_the_user_s_is_blamed_not_the_library_s(tmp_path: Path) -> None:
    own = code(tmp_path, "import json\n\n\ndef made():\n    return json.loads('{')\n")
    with pytest.raises(BadInput, match=r"nets\.py:5: JSONDecodeError"), blamed(own):
        executed(own)()


def test_what_never_came_through_the_user_s_files_is_told_of_the_definition(tmp_path: Path) -> None:
    """As a call with arguments that it does not take."""
    own = code(tmp_path, "\n\ndef made(): ...\n")
    with pytest.raises(BadInput) as refused, blamed(own):
        executed(own)(1, 2, 3)
    assert str(refused.value).startswith(f"{own.place}: TypeError")


def test_bad_input_keeps_its_words_and_an_interruption_passes(tmp_path: Path) -> None:
    own = code(tmp_path, "def made(): ...\n")
    with pytest.raises(BadInput, match=r"^as it was$"), blamed(own):
        raise BadInput("as it was")
    with pytest.raises(KeyboardInterrupt), blamed(own):
        raise KeyboardInterrupt
