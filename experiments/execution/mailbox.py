"""A folder through which a sweep and workers on other machines talk: files that appear whole.

    todo/N              a task that anybody may take
    taken/N.WORKER      one that a worker works on: the one whose renaming came first
    ended/N             one that is to end after the epoch that it is at
    results/N           what became of it
    events/N            what its worker tells meanwhile
    workers/WORKER      a worker that has come up
    pulse               changes as long as the sweep lives
    closed              no more tasks: workers end

Nothing but renaming is atomic on all of the file systems that clusters share, and a folder that is
opened anew is up to date on all of them.
"""

from __future__ import annotations

import contextlib
import pickle
from pathlib import Path
from typing import Any

from experiments.execution.messages import Event, Task, TrialResult

_FOLDERS = ("todo", "taken", "ended", "results", "events", "workers")


class Mailbox:
    """Both sides of the folder: the sweep's and the workers'."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read_up_to: dict[int, int] = {}
        self._pulse = 0

    def create(self) -> None:
        """Nobody else may enter: a task may hold a password, and what is read here is executed."""
        self.folder.mkdir(mode=0o700)
        for name in _FOLDERS:
            (self.folder / name).mkdir(mode=0o700)
        self.beat()

    # ---------------------------------------------------------------- what the sweep does

    def put(self, number: int, task: Task) -> None:
        _write(self.folder / "todo" / str(number), task)

    def take_back(self, number: int) -> bool:
        """A task that nobody is to begin any more; returns whether nobody has."""
        try:
            (self.folder / "todo" / str(number)).unlink()
        except FileNotFoundError:
            return False
        return True

    def end(self, number: int) -> None:
        """A task that somebody works on is to end after an epoch."""
        (self.folder / "ended" / str(number)).touch()

    def taken(self) -> dict[int, str]:
        """Who works on what, by the number of the task."""
        names = [path.name.partition(".") for path in _complete(self.folder / "taken")]
        return {int(number): worker for number, _, worker in names}

    def forget(self, number: int) -> None:
        """A task whose worker is gone; what it told is of no use any more."""
        for path in (self.folder / "taken").glob(f"{number}.*"):
            path.unlink(missing_ok=True)
        (self.folder / "results" / str(number)).unlink(missing_ok=True)
        (self.folder / "events" / str(number)).unlink(missing_ok=True)
        (self.folder / "ended" / str(number)).unlink(missing_ok=True)
        self._read_up_to.pop(number, None)

    def results(self) -> dict[int, TrialResult]:
        """By the number of the task; to be forgotten once they are told."""
        return {int(path.name): _read(path) for path in _complete(self.folder / "results")}

    def read_events(self) -> list[tuple[int, Event]]:
        """What has been told of each task since this was called last."""
        found: list[tuple[int, Event]] = []
        for path in _complete(self.folder / "events"):
            number = int(path.name)
            events, self._read_up_to[number] = _read_from(path, self._read_up_to.get(number, 0))
            found += [(number, event) for event in events]
        return found

    def workers(self) -> set[str]:
        return {path.name for path in _complete(self.folder / "workers")}

    def beat(self) -> None:
        self._pulse += 1
        _write(self.folder / "pulse", self._pulse)

    def close(self) -> None:
        with contextlib.suppress(FileNotFoundError):  # somebody has cleared everything away
            (self.folder / "closed").touch()

    # ---------------------------------------------------------------- what a worker does

    def come_up(self, worker: str) -> None:
        _write(self.folder / "workers" / worker, None)

    def take(self, worker: str) -> tuple[int, Task] | None:
        """The oldest task that nobody else has taken."""
        waiting = _complete(self.folder / "todo")
        for path in sorted(waiting, key=lambda path: int(path.name)):
            mine = self.folder / "taken" / f"{path.name}.{worker}"
            try:
                path.rename(mine)
            except FileNotFoundError:  # another was faster
                continue
            return int(path.name), _read(mine)
        return None

    def is_taken(self, number: int, worker: str) -> bool:
        """Whether the sweep still counts on that worker."""
        return (self.folder / "taken" / f"{number}.{worker}").exists()

    def answer(self, number: int, result: TrialResult) -> None:
        _write(self.folder / "results" / str(number), result)

    def tell(self, number: int, event: Event) -> None:
        """One writer for each file; whoever reads sees whole events, maybe not yet the last."""
        with (self.folder / "events" / str(number)).open("ab") as file:
            file.write(pickle.dumps(event))

    def is_to_end(self, number: int) -> bool:
        return (self.folder / "ended" / str(number)).exists()

    @property
    def pulse(self) -> int:
        """Which changes as long as the sweep lives; 0 where there is none to be read."""
        try:
            return int(_read(self.folder / "pulse"))
        except OSError:
            return 0

    @property
    def is_closed(self) -> bool:
        return not self.folder.exists() or (self.folder / "closed").exists()


def _complete(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.suffix != ".tmp"]
    except FileNotFoundError:
        return []


def _write(path: Path, content: Any) -> None:
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.write_bytes(pickle.dumps(content))
    temporary.replace(path)


def _read(path: Path) -> Any:
    """Pickles, of this user's own processes, in a folder that only this user may enter."""
    return pickle.loads(path.read_bytes())  # noqa: S301


def _read_from(path: Path, position: int) -> tuple[list[Event], int]:
    """The whole events that begin at a position of the file, and where the next one will."""
    events: list[Event] = []
    with path.open("rb") as file:
        file.seek(position)
        while True:
            try:
                events.append(pickle.load(file))  # noqa: S301
            except (EOFError, pickle.UnpicklingError):  # the last one is being written
                return events, position
            position = file.tell()
