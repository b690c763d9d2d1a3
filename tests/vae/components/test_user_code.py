"""The user's code is executed as it was read, beside whatever else goes by its names."""

from __future__ import annotations

import pickle
import sys
import traceback
from pathlib import Path

import pytest

from vae.components.user_code import Code, execute, find_local, known, read_code, remember


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / f"{name.replace('__in__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_files_beside_are_found_first_and_lazily_too(tmp_path: Path) -> None:
    write(
        tmp_path,
        nets=(
            "import colorsys\nimport pack.deep.leaf\nimport pack.deep.leaf as leaf\n"
            "from . import colorsys as again\nfrom pack import deep\n\n\n"
            "def made():\n    from lazy import VALUE\n    import lazy\n"
            "    return (colorsys.NAME, again is colorsys, leaf.VALUE, pack.deep.leaf is leaf,\n"
            "            deep.leaf is leaf, VALUE, lazy.VALUE)\n"
        ),
        colorsys="NAME = 'mine'\n",
        pack__in__deep__in__leaf="from ...colorsys import NAME\nVALUE = NAME + '!'\n",
        lazy="VALUE = 5\n",
    )
    made = execute(read_code(tmp_path, "nets", "made"))
    assert made() == ("mine", True, "mine!", True, True, 5, 5)
    assert "lazy" not in sys.modules
    assert not hasattr(sys.modules.get("colorsys"), "NAME")


def test_files_of_one_name_in_two_folders_do_not_meet(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(
            tmp_path / name,
            nets="from helpers import NAME\n\n\ndef name():\n    return NAME\n",
            helpers=f"NAME = '{name}'\n",
        )
    first, second = (execute(read_code(tmp_path / name, "nets", "name")) for name in ("a", "b"))
    assert (first(), second()) == ("a", "b")


def test_what_was_read_is_executed_whatever_the_file_is_by_now(tmp_path: Path) -> None:
    write(
        tmp_path, nets="def value():\n    from helpers import X\n    return X\n", helpers="X = 1\n"
    )
    code = read_code(tmp_path, "nets", "value")
    write(tmp_path, helpers="X = 2\n")
    assert execute(code)() == 1
    assert execute(read_code(tmp_path, "nets", "value"))() == 2


def test_it_travels_as_plain_values_to_where_no_file_is(tmp_path: Path) -> None:
    write(
        tmp_path, nets="from helpers import X\n\n\ndef value():\n    return X\n", helpers="X = 1\n"
    )
    code = read_code(tmp_path, "nets", "value")
    assert code.digest
    sent: Code = pickle.loads(pickle.dumps(code))  # noqa: S301 - our own
    for path in tmp_path.glob("*.py"):
        path.unlink()
    assert sent == code
    assert sent.digest == code.digest
    assert execute(sent)() == 1


def test_a_traceback_names_the_users_file_and_shows_its_line(tmp_path: Path) -> None:
    write(tmp_path, nets="def fails():\n    x = 1\n    raise KeyError('there')\n")
    fails = execute(read_code(tmp_path, "nets", "fails"))
    (tmp_path / "nets.py").unlink()  # the line comes from what was read
    with pytest.raises(KeyError) as caught:
        fails()
    frame = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (frame.filename, frame.lineno) == (str(tmp_path / "nets.py"), 3)
    assert frame.line == "raise KeyError('there')"


def test_this_package_is_never_a_file_beside(tmp_path: Path) -> None:
    write(
        tmp_path,
        nets="from vae.encoders import Encoder\n\n\ndef base():\n    return Encoder\n",
        vae__in____init__="raise RuntimeError('not this one')\n",
        vae__in__encoders="Encoder = None\n",
    )
    from vae.encoders import Encoder

    code = read_code(tmp_path, "nets", "base")
    assert [path for path, _ in code.files] == ["nets.py"]
    assert execute(code)() is Encoder


def test_only_what_a_process_was_given_is_known_to_it(tmp_path: Path) -> None:
    code = read_code(write(tmp_path, nets="def unknown():\n    return 8\n"), "nets", "unknown")
    assert known(code.digest) is None
    remember([code])
    assert known(code.digest) == code


@pytest.mark.parametrize(
    "value", ["../nets.py:f", "/etc/nets.py:f", "sub/../../nets.py:f", "os:system", "nets.txt:f"]
)
def test_what_somebody_else_names_is_looked_for_in_the_folder_alone(
    tmp_path: Path, value: str
) -> None:
    folder = tmp_path / "folder"
    write(tmp_path, nets="def f():\n    pass\n")
    write(folder, nets="def f():\n    pass\n")
    assert find_local(folder, "nets.py:f") is not None
    assert find_local(folder, value) is None
