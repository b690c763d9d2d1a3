"""The two ways in which things go wrong that are not bugs."""


class BadInput(ValueError):
    """What a person asked for cannot be done; the message is one line and names the way out."""


class Diverged(ArithmeticError):
    """A loss became NaN or infinite."""
