"""A script that its own workers would run once more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, environment

CHECK = "from experiments.execution.main_guard import check_main_is_guarded as check\n"
DONE = "print('went on')\n"


def run(folder: Path, text: str, name: str = "mine.py") -> tuple[str, str]:
    """The script as a person starts it; what it printed, and the last line of what went wrong."""
    (folder / name).write_text(CHECK + text)
    around = environment() | {"PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, name], cwd=folder, env=around, capture_output=True, text=True, timeout=60
    )
    return done.stdout, (done.stderr.strip().splitlines() or [""])[-1]


@pytest.mark.processes
@pytest.mark.parametrize(
    "text",
    [
        f"if __name__ == '__main__':\n    check()\n    {DONE}",
        f"def main():\n    check()\n    {DONE}\nif '__main__' == __name__:\n    main()\n",
        f"exec('check()')\n{DONE}".replace("exec('check()')", "if __name__ != 'x': check()"),
    ],
)
def test_below_its_guard_a_script_goes_on(tmp_path: Path, text: str) -> None:
    assert run(tmp_path, text) == ("went on\n", "")


@pytest.mark.processes
@pytest.mark.parametrize(
    ("text", "line"),
    [
        (f"check()\n{DONE}", 2),
        (f"def main():\n    check()\n\nmain()\n{DONE}", 5),
        (f"if __name__ == '__main__':\n    pass\ncheck()\n{DONE}", 4),
        (f"if True:\n    check()\n{DONE}", 3),
    ],
)
def test_outside_of_it_the_line_is_told(tmp_path: Path, text: str, line: int) -> None:
    printed, wrong = run(tmp_path, text)
    assert printed == ""
    assert f"mine.py:{line}: workers import this script" in wrong and "__main__" in wrong


def test_who_is_called_by_no_script_goes_on() -> None:
    """As a notebook does, or pytest."""
    from experiments.execution.main_guard import check_main_is_guarded

    check_main_is_guarded()
