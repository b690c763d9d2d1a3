"""The user's own code executed; what goes wrong in it is told with its file and line."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vae.components import user_code
from vae.components.local_modules import shown
from vae.components.user_code import Code
from vae.errors import BadInput


def executed(code: Code) -> Any:
    """The class or function of the user's own, imported.

    Raises:
        BadInput: FILE:LINE and what went wrong there.
    """
    with blamed(code):
        made = user_code.execute(code)
    if not callable(made):
        raise BadInput(f"{code.place}: {code.name} is {made!r:.40}, not a class or a function")
    return made


@contextmanager
def blamed(code: Code) -> Iterator[None]:
    """Say of what the user's code raises inside where it was: FILE:LINE."""
    try:
        yield
    except BadInput:
        raise
    except (Exception, SystemExit) as error:
        said = next(iter(str(error).splitlines()), "")
        raise BadInput(f"{_place(error, code)}: {type(error).__name__}: {said}") from error


def _place(error: BaseException, code: Code) -> str:
    """The deepest line of the user's files that an exception came through."""
    files = {str(Path(code.folder) / path) for path, _ in code.files}
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename in files]
    if not own:
        return code.place
    return f"{shown(Path(own[-1].filename))}:{own[-1].lineno}"
