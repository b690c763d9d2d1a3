"""The two ways in which things go wrong that are not bugs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class BadInput(ValueError):
    """What a person asked for cannot be done; the message is one line and names the way out."""


class Diverged(ArithmeticError):
    """A loss became NaN or infinite."""


@contextmanager
def at(place: str) -> Iterator[None]:
    """Say of bad input met inside where it was: `place: message`."""
    try:
        yield
    except BadInput as error:
        raise BadInput(f"{place}: {error}") from error
