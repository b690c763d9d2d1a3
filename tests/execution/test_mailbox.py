"""A folder through which a sweep and its workers talk: nothing is lost, doubled, or half read."""

from __future__ import annotations

import pickle
import stat
import threading
from collections import Counter
from pathlib import Path

import pytest

from experiments.execution.mailbox import Mailbox
from experiments.execution.messages import Notice, TaskState, TrialResult
from tests.execution.test_loop import task


@pytest.fixture
def mailbox(tmp_path: Path) -> Mailbox:
    mailbox = Mailbox(tmp_path / "mail")
    mailbox.create()
    return mailbox


def test_a_task_goes_there_and_its_result_comes_back(mailbox: Mailbox) -> None:
    worker = Mailbox(mailbox.folder)
    mailbox.put(7, task(7))
    assert worker.take("12_0-0") == (7, task(7))
    assert worker.take("12_0-0") is None
    assert mailbox.taken() == {7: "12_0-0"}
    worker.answer(7, TrialResult(task(7), TaskState.FINISHED))
    assert mailbox.results() == {7: TrialResult(task(7), TaskState.FINISHED)}
    mailbox.forget(7)
    assert (mailbox.results(), mailbox.taken()) == ({}, {})


def test_the_oldest_task_is_taken_first(mailbox: Mailbox) -> None:
    for number in (10, 9, 2):
        mailbox.put(number, task(number))
    taken = [mailbox.take("w") for _ in range(3)]
    assert [found[0] for found in taken if found] == [2, 9, 10]


def test_of_many_workers_one_gets_it(mailbox: Mailbox) -> None:
    n_tasks, n_workers = 200, 8
    for number in range(n_tasks):
        mailbox.put(number, task(number))
    got: Counter[int] = Counter()
    lock = threading.Lock()

    def work(name: str) -> None:
        mine = Mailbox(mailbox.folder)
        while (found := mine.take(name)) is not None:
            with lock:
                got[found[0]] += 1

    workers = [threading.Thread(target=work, args=(f"w{i}",)) for i in range(n_workers)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    assert got == Counter(range(n_tasks))


def test_what_was_taken_back_is_not_begun(mailbox: Mailbox) -> None:
    mailbox.put(1, task(1))
    mailbox.take_back(1)
    assert mailbox.take("w") is None
    mailbox.take_back(1)  # may be said twice


def test_events_are_read_once_and_in_order(mailbox: Mailbox) -> None:
    worker = Mailbox(mailbox.folder)
    worker.tell(1, Notice("a", "1"))
    worker.tell(1, Notice("a", "2"))
    assert mailbox.read_events() == [(1, Notice("a", "1")), (1, Notice("a", "2"))]
    assert mailbox.read_events() == []
    worker.tell(2, Notice("b", "1"))
    worker.tell(1, Notice("a", "3"))
    assert sorted(mailbox.read_events(), key=str) == sorted(
        [(1, Notice("a", "3")), (2, Notice("b", "1"))], key=str
    )


def test_an_event_that_is_only_half_written_is_read_later(mailbox: Mailbox) -> None:
    whole = pickle.dumps(Notice("a", "x" * 100))
    path = mailbox.folder / "events" / "1"
    path.write_bytes(whole + whole[:40])
    assert mailbox.read_events() == [(1, Notice("a", "x" * 100))]
    path.write_bytes(whole + whole)
    assert mailbox.read_events() == [(1, Notice("a", "x" * 100))]


def test_a_file_that_is_being_written_is_not_seen(mailbox: Mailbox) -> None:
    for folder in ("todo", "results"):
        (mailbox.folder / folder / "3.tmp").write_bytes(b"half")
    assert mailbox.take("w") is None
    assert mailbox.results() == {}


def test_a_sweep_shows_that_it_lives_until_it_closes(mailbox: Mailbox) -> None:
    worker = Mailbox(mailbox.folder)
    before = worker.pulse
    mailbox.beat()
    assert worker.pulse != before
    assert not worker.is_closed
    mailbox.close()
    assert worker.is_closed


def test_a_folder_that_is_gone_is_closed(tmp_path: Path) -> None:
    gone = Mailbox(tmp_path / "nowhere")
    assert gone.is_closed
    assert gone.pulse == 0
    assert gone.take("w") is None
    gone.close()


def test_nobody_else_may_enter(mailbox: Mailbox) -> None:
    """Tasks may hold a password, and what is read is executed."""
    folders = [mailbox.folder, *(path for path in mailbox.folder.iterdir() if path.is_dir())]
    assert {folder.name for folder in folders} >= {"mail", "todo", "taken", "results"}
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in folders} == {0o700}


def test_a_folder_that_somebody_else_has_made_is_not_used(mailbox: Mailbox) -> None:
    with pytest.raises(FileExistsError):
        Mailbox(mailbox.folder).create()


def test_a_task_is_its_worker_s_until_the_sweep_gives_it_up(mailbox: Mailbox) -> None:
    mailbox.put(1, task(1))
    mailbox.take("a-0")
    assert mailbox.is_taken(1, "a-0")
    assert not mailbox.is_taken(1, "a-1")
    mailbox.forget(1)
    assert not mailbox.is_taken(1, "a-0")
