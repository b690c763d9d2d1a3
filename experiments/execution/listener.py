"""Passing on what workers tell, in a thread that goes on whatever becomes of it."""

from __future__ import annotations

import sys
from collections.abc import Callable

from experiments.execution.messages import Event
from experiments.secrets import mask


def never_raising(on_event: Callable[[Event], None]) -> Callable[[Event], None]:
    """`on_event` for a thread that has to go on, or the workers that tell would wait for ever.

    What it raises is told once; a display that fails is no reason to lose a trial.
    """
    told = False

    def guarded(event: Event) -> None:
        nonlocal told
        try:
            on_event(event)
        except Exception as error:
            if not told:
                told = True
                line = f"warning: what workers tell is not shown ({type(error).__name__}: {error})"
                print(mask(line), file=sys.stderr)

    return guarded
