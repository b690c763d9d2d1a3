"""MLflow: the only package that imports it, and the layout of what is tracked.

An experiment holds two kinds of run. A *trial run* (`tags.kind = "trial"`) is one trial; it is a
child of its *configuration run* (`tags.kind = "configuration"`), which stands for the mean over
its seeds. A trial is done when its run is FINISHED *and* has the tag `completed`, which is
written last: MLflow itself also shows runs as finished whose process died politely.
"""


class TrackingRefused(Exception):
    """The tracking store answered that it will not do this, such as to write to a deleted run."""


class TrackingLost(Exception):
    """The tracking store stayed away, or cannot take any more."""
