"""Row `peers`: the same grid through Ray Tune, and through Hydra's joblib launcher with MLflow.

They call the project's own training function, so that what is compared is the harness: start-up,
scheduling, tracking. As many processes as there are cores, one thread each.
"""

from __future__ import annotations

import importlib.util
import statistics
from collections.abc import Callable
from pathlib import Path

import yaml

from benchmarks import commands, peer_trial
from benchmarks.figures import Figure, ratios
from benchmarks.options import Options

_GOAL = 1.0
Peer = Callable[[Options, Path, int], float]


def measure(options: Options) -> list[Figure]:
    epochs = 2 if options.quick else 10
    peers = {"Ray Tune": ("ray", _ray), "Hydra and joblib": ("hydra_plugins", _hydra)}
    installed = {n: run for n, (package, run) in peers.items() if _is_installed(package)}
    ours: list[float] = []
    theirs: dict[str, list[float]] = {name: [] for name in installed}
    for repetition in range(options.repetitions(2)):
        ours.append(_ours(options.new_folder(f"peers {repetition} ours"), epochs))
        for name, run in installed.items():
            folder = options.new_folder(f"peers {repetition} {name}")
            theirs[name].append(run(options, folder, epochs))
    return [_figure(name, theirs.get(name), ours, epochs) for name in peers]


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _figure(name: str, theirs: list[float] | None, ours: list[float], epochs: int) -> Figure:
    what = f"{len(peer_trial.points())} trials of {epochs} epochs: {name} ÷ sweep.py"
    if theirs is None:
        return Figure("peers", what, [], _GOAL, True, "not installed")
    note = f"{statistics.median(theirs):.0f} s and {statistics.median(ours):.0f} s"
    return Figure("peers", what, ratios(theirs, ours), _GOAL, True, note)


def _ours(folder: Path, epochs: int) -> float:
    question = {
        "name": "peers",
        "dataset": peer_trial.DATASET,
        "grid": peer_trial.GRID,
        "seeds": 1,
        "fixed": {"epochs": epochs},
        "pictures": {"every": 0},
    }
    (folder / "peers.yaml").write_text(yaml.safe_dump(question))
    return commands.sweep(folder, "peers.yaml")


def _ray(options: Options, folder: Path, epochs: int) -> float:
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    return commands.seconds(folder, "-m", "benchmarks.peer_ray", str(epochs), uri, str(folder))


def _hydra(options: Options, folder: Path, epochs: int) -> float:
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    peer_trial.create_experiment(uri)
    axes = [f"{name}={','.join(names)}" for name, names in peer_trial.GRID.items()]
    return commands.seconds(
        folder,
        "-m",
        "benchmarks.peer_hydra",
        "--multirun",
        *axes,
        f"epochs={epochs}",
        f"tracking_uri='{uri}'",
        f"hydra.launcher.n_jobs={options.n_cores}",
    )
