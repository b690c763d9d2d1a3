"""A script whose spawned workers would run it once more, told in one line before they do."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from types import FrameType

from vae.errors import BadInput


def check_main_is_guarded() -> None:
    """Raise BadInput if this is called by a script outside `if __name__ == "__main__":`.

    A spawned process imports the script that started it. A notebook is no script.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        is_script = frame.f_globals.get("__name__") == "__main__" and "__file__" in frame.f_globals
        if is_script and frame.f_code.co_name == "<module>":
            _check(Path(frame.f_globals["__file__"]), frame.f_lineno)
        frame = frame.f_back


def _check(script: Path, line: int) -> None:
    try:
        tree = ast.parse(script.read_bytes())
    except (OSError, SyntaxError, ValueError):  # not a file of Python's, such as a zipped one
        return
    guards = [node for node in tree.body if isinstance(node, ast.If) and _asks_for_main(node)]
    if not any(guard.lineno <= line <= (guard.end_lineno or line) for guard in guards):
        raise BadInput(
            f"{script}:{line}: workers import this script, which would start this sweep again: "
            f'put the call below `if __name__ == "__main__":`, or use the engine serial'
        )


def _asks_for_main(node: ast.If) -> bool:
    return any(isinstance(n, ast.Name) and n.id == "__name__" for n in ast.walk(node.test))
