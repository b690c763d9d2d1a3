"""Passwords do not belong into what is printed, tagged or logged."""

from __future__ import annotations

import re

_IN_ADDRESS = re.compile(r"(://[^\s:/@]*):\S*@")
_AS_OPTION = re.compile(r"([?&]\w*(?:password|token|secret)\w*=)[^&\s'\"]+", re.IGNORECASE)


def mask(text: str) -> str:
    """`text` with `***` for the passwords of the addresses in it.

    `postgresql://user:password@host/db` becomes `postgresql://user:***@host/db`.
    """
    return _AS_OPTION.sub(r"\1***", _IN_ADDRESS.sub(r"\1:***@", text))


def without_credentials(address: str) -> str:
    """`http://user:password@host` as `http://host`."""
    return re.sub(r"(://)[^\s/]*@", r"\1", address)
