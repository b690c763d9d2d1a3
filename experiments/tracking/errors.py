"""What goes wrong between a sweep and its tracking store."""

from __future__ import annotations


class TrackingRefused(Exception):
    """The tracking store answered that it will not do this, such as to write to a deleted run."""


class TrackingLost(Exception):
    """The tracking store stayed away, or cannot take any more."""
