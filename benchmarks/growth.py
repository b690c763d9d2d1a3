"""Row `growth`: how the time of a command grows with the sweep, as the exponent of a power law.

An exponent of 1 is proportional growth; the constant of starting up makes it smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import commands, tracked_sweep
from benchmarks.figures import Figure, slope
from benchmarks.options import Options

_GOAL = 1.1
_TRACKED_SIZES, _REPORTED_SIZES = (100, 1_000, 10_000), (1_000, 5_000, 10_000)
_DRY_SIZES = (1_000, 10_000, 100_000)
_MOST_SECONDS = {5_000: 15.0, 10_000: 30.0}
"""Of `analyze.py`, by trials, five a configuration."""


def measure(options: Options) -> list[Figure]:
    folder = options.new_folder("growth")
    n_sizes = 2 if options.quick else 3
    tracked, dry = _TRACKED_SIZES[:n_sizes], _DRY_SIZES[:n_sizes]
    reported = tracked if options.quick else _REPORTED_SIZES
    for n_trials in {*tracked, *reported}:
        (folder / str(n_trials)).mkdir()
        tracked_sweep.start(folder / str(n_trials))
        tracked_sweep.grow(folder / str(n_trials), n_trials)
    for n_trials in dry:
        (folder / f"{n_trials}.yaml").write_text(tracked_sweep.question(n_trials))
    repetitions = options.repetitions(2)
    return [
        _figure("plan and resume, all done", _resume, folder, tracked, repetitions),
        *report_figures(folder, reported, repetitions),
        _figure("--dry-run, nothing done", _dry_run, folder, dry, repetitions),
    ]


def report_figures(folder: Path, sizes: Sequence[int], repetitions: int) -> list[Figure]:
    """Of reports, in the processor's time: of what they compute, waiting is no part."""
    taken = _seconds(_analyze, folder, sizes, repetitions)
    figures = [_exponent("analyze.py, processor time", sizes, taken)]
    for place, n_trials in enumerate(sizes):
        if n_trials in _MOST_SECONDS:
            what = f"processor seconds of analyze.py, {n_trials:,} trials"
            values = [of_sizes[place] for of_sizes in taken]
            figures.append(Figure("growth", what, values, _MOST_SECONDS[n_trials]))
    return figures


def _resume(folder: Path, n_trials: int) -> float:
    return commands.sweep(folder / str(n_trials), "many.yaml")


def _analyze(folder: Path, n_trials: int) -> float:
    where = folder / str(n_trials)
    return commands.processor_seconds(lambda: commands.analyze(where, tracked_sweep.EXPERIMENT))


def _dry_run(folder: Path, n_trials: int) -> float:
    return commands.sweep(folder, f"{n_trials}.yaml", "--dry-run")


Command = Callable[[Path, int], float]


def _figure(
    what: str, command: Command, folder: Path, sizes: Sequence[int], repetitions: int
) -> Figure:
    return _exponent(what, sizes, _seconds(command, folder, sizes, repetitions))


def _seconds(
    command: Command, folder: Path, sizes: Sequence[int], repetitions: int
) -> list[list[float]]:
    """All sizes in turn, and again."""
    return [[command(folder, n_trials) for n_trials in sizes] for _ in range(repetitions)]


def _exponent(what: str, sizes: Sequence[int], taken: Sequence[Sequence[float]]) -> Figure:
    """Every repetition gives one."""
    exponents = [slope(sizes, seconds) for seconds in taken]
    last = ", ".join(f"{n:,}: {s:.1f} s" for n, s in zip(sizes, taken[-1], strict=True))
    return Figure("growth", f"exponent of {what}", exponents, _GOAL, note=last)
