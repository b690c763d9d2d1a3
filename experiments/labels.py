"""Values as people read them in a label."""

from __future__ import annotations

import numbers


def short(value: object) -> str:
    """Four digits of a fraction; anything else as it is."""
    if isinstance(value, numbers.Integral) or not isinstance(value, numbers.Real):
        return str(value)
    return f"{value:.4g}"
