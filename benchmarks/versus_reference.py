"""Row `versus_reference`: a sweep against the reference's way of doing the same.

Twelve trials (two encoders, two losses, three transforms), once through `sweep.py` with one worker
per core, once as a process per training, one after the other. Both are timed from outside,
start-up, evaluation and tracking included.
"""

from __future__ import annotations

import itertools
from pathlib import Path

import yaml

from benchmarks import commands
from benchmarks.data import write_digits
from benchmarks.figures import Figure, ratios
from benchmarks.options import Options

_GRID = {
    "encoder": ["mlp1", "mlp3"],
    "loss": ["sse", "bce"],
    "transform": ["none", "grayscale", "binarize"],
}
_QUICK_GRID = {"encoder": ["mlp1"], "loss": ["sse", "bce"], "transform": ["none", "binarize"]}
_GOAL = 4.5


def measure(options: Options) -> list[Figure]:
    """One epoch each: 500 steps of MNIST, or, if it has to be quick, 35 of 5,000 digits."""
    grid = _QUICK_GRID if options.quick else _GRID
    n_trials = len(list(itertools.product(*grid.values())))
    if options.quick:
        dataset, val_size, data_dir = "mnist5k", 500, options.new_folder("digits")
        write_digits(data_dir, 4_000, 1_000)
    else:
        dataset, val_size, data_dir = "mnist", 10_000, options.data_dir
    reference, ours = [], []
    for repetition in range(options.repetitions(2)):
        folder = options.new_folder(f"versus_reference {repetition}")
        ours.append(_our_way(folder, grid, dataset, val_size, data_dir))
        reference.append(_reference_way(folder, grid, val_size, data_dir))
    note = f"{reference[-1]:.0f} s and {ours[-1]:.0f} s"
    what = f"{n_trials} trials: the reference's way ÷ sweep.py"
    return [Figure("versus_reference", what, ratios(reference, ours), _GOAL, True, note)]


def _our_way(
    folder: Path, grid: dict[str, list[str]], dataset: str, val_size: int, data_dir: Path
) -> float:
    fixed = {"epochs": 1, "val_size": val_size}
    question = {"name": "ours", "dataset": dataset, "grid": grid, "seeds": 1, "fixed": fixed}
    (folder / "ours.yaml").write_text(yaml.safe_dump(question))
    uri = f"sqlite:///{folder / 'ours.db'}"
    return commands.sweep(folder, "ours.yaml", "--data-dir", str(data_dir), "--tracking-uri", uri)


def _reference_way(
    folder: Path, grid: dict[str, list[str]], val_size: int, data_dir: Path
) -> float:
    script = str(Path(__file__).with_name("reference_way.py"))
    shared = ["--epochs", "1", "--val-subset", str(val_size), "--data-dir", str(data_dir)]
    total = 0.0
    for names in itertools.product(*grid.values()):
        chosen = [f"--{field}={name}" for field, name in zip(grid, names, strict=True)]
        total += commands.seconds(folder, script, *chosen, *shared)
    return total
