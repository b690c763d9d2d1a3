"""Values as people read them in a label."""

from __future__ import annotations

import numbers


def format_value(value: object) -> str:
    """Four digits of a fraction, of what a person wrote up to six, so that two of them are not
    called the same; anything else as it is.
    """
    if isinstance(value, numbers.Integral) or not isinstance(value, numbers.Real):
        return str(value)
    whole = f"{value:.6g}"
    return whole if float(whole) == value else f"{value:.4g}"


_MOST_DIGITS = 1e6


def format_number(value: float, sign: str = "") -> str:
    """A measured number with two decimals; of one that has blown up, the power of ten: whatever it
    is, it takes a dozen characters at most.

    Args:
        sign: `+` writes that of positive numbers, too
    """
    form = "f" if abs(value) < _MOST_DIGITS else "e"
    return f"{value:{sign}.2{form}}"


def count(n: int, noun: str) -> str:
    """`1 trial`, `8 trials`"""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def duration(seconds: float) -> str:
    """`42 s`, `3 min 20 s`, `2 h 05 min`"""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {seconds:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
