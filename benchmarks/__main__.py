"""Run the benchmarks: `python -m benchmarks [--quick] [--data-dir DIR] [--out FILE] [ROW ...]`."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks import report
from benchmarks.data import data_folder
from benchmarks.figures import Figure
from benchmarks.options import Options
from experiments.cli import Parser, run_command
from vae.components.registry import check_name

ROWS = (
    "peak", "diagnostics", "startup", "restart", "growth", "overhead", "peers", "versus_reference",
)  # fmt: skip
"""The modules of this package that have a `measure`; the longest comes last."""


def main() -> int:
    arguments = _parser().parse_args()
    rows = [check_name(ROWS, name, "row") for name in arguments.rows or ROWS]
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    with tempfile.TemporaryDirectory(prefix="benchmarks-") as name:
        folder = Path(name)
        options = Options(arguments.quick, data_folder(arguments.data_dir, folder), folder)
        figures = [figure for row in rows for figure in _measure(row, options)]
        Console(width=None if sys.stdout.isatty() else 140).print(report.table(figures))
        if arguments.out:
            arguments.out.write_text(report.as_json(figures, options))
    return 0


def _measure(row: str, options: Options) -> list[Figure]:
    print(f"{row} …", file=sys.stderr, flush=True)
    found: list[Figure] = importlib.import_module(f"benchmarks.{row}").measure(options)
    Console(stderr=True).print(report.table(found))
    return found


def _parser() -> Parser:
    parser = Parser(__doc__)
    add = parser.add_argument
    add("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; by default all")
    add("--quick", action="store_true", help="small and few repetitions")
    add("--data-dir", type=Path, default=Path("data"), metavar="DIR", help="default: %(default)s")
    add("--out", type=Path, metavar="FILE", help="also write the figures as JSON")
    return parser


if __name__ == "__main__":
    run_command(main)
