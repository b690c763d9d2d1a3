"""The engines by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from experiments.execution.loop import Executor
from experiments.execution.messages import Event
from experiments.execution.processes import Processes
from experiments.execution.resources import Share
from experiments.execution.serial import Serial


def start(
    engine: str,
    n_workers: int,
    on_event: Callable[[Event], None],
    workers_lock: Path,
    timeout: float | None,
    share: Share,
) -> Executor:
    """The engine of that name, started; `ray` inside `ray_engine.joined`."""
    if engine == "ray":
        from experiments.execution.ray_cluster import Ray  # and only then ray itself

        return Ray(n_workers, on_event, workers_lock, timeout, share)
    engines: dict[str, Callable[[], Executor]] = {
        "serial": lambda: Serial(on_event),
        "processes": lambda: Processes(n_workers, on_event, workers_lock, timeout),
    }
    return engines[engine]()
