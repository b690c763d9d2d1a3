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


def measure(options: Options) -> list[Figure]:
    folder = options.new_folder("growth")
    n_sizes = 2 if options.quick else 3
    tracked, dry = _TRACKED_SIZES[:n_sizes], _DRY_SIZES[:n_sizes]
    for n_trials in tracked:
        (folder / str(n_trials)).mkdir()
        tracked_sweep.start(folder / str(n_trials))
        tracked_sweep.grow(folder / str(n_trials), n_trials)
    for n_trials in dry:
        (folder / f"{n_trials}.yaml").write_text(tracked_sweep.question(n_trials))
    repetitions = options.repetitions(2)
    return [
        _figure("plan and resume, all done", _resume, folder, tracked, repetitions),
        _figure("analyze.py", _analyze, folder, _REPORTED_SIZES, repetitions),
        _figure("--dry-run, nothing done", _dry_run, folder, dry, repetitions),
    ]


def _resume(folder: Path, n_trials: int) -> float:
    return commands.sweep(folder / str(n_trials), "many.yaml")


def _analyze(folder: Path, n_trials: int) -> float:
    return commands.analyze(folder / str(n_trials), tracked_sweep.EXPERIMENT)


def _dry_run(folder: Path, n_trials: int) -> float:
    return commands.sweep(folder, f"{n_trials}.yaml", "--dry-run")


def _figure(
    what: str,
    command: Callable[[Path, int], float],
    folder: Path,
    sizes: Sequence[int],
    repetitions: int,
) -> Figure:
    """All sizes in turn, and again: every repetition gives an exponent."""
    taken = [[command(folder, n_trials) for n_trials in sizes] for _ in range(repetitions)]
    exponents = [slope(sizes, seconds) for seconds in taken]
    last = ", ".join(f"{n:,}: {s:.1f} s" for n, s in zip(sizes, taken[-1], strict=True))
    return Figure("growth", f"exponent of {what}", exponents, _GOAL, note=last)
