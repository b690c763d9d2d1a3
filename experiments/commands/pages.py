"""Where MLflow shows what is tracked: `make ui` prints it before it starts MLflow's pages."""

from __future__ import annotations

from typing import NoReturn

from experiments.cli import run_command
from experiments.tracking.uris import default_uri

_MOST = 10
"""Experiments that are listed, those that were written to last."""


def main() -> NoReturn:
    """The command: leaves with its exit code."""
    run_command(_main)


def _main() -> int:
    from experiments.tracking.reader import Reader, experiment_names
    from experiments.tracking.shared_view import where_to_look

    uri = default_uri()
    for name in experiment_names(uri)[:_MOST]:
        tracker = Reader.find(uri, name)
        if tracker is not None:
            print(f"{name}: {where_to_look(tracker)}")
    return 0


if __name__ == "__main__":
    main()
