from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.complaints import contents
from tests.conftest import REPOSITORY
from vae.data.cache import lock
from vae.data.downloads import ensure
from vae.errors import BadInput

DOWNLOADS = """
import sys, time
from pathlib import Path
from vae.data.downloads import ensure
folder = Path(sys.argv[1])
wanted = [folder / "a", folder / "b"]
def get():
    (folder / f"getting").touch(exist_ok=False)
    for file in wanted:
        file.touch()
        time.sleep(0.2)
        file.write_text("whole")
ensure("x", folder, wanted, get)
assert [file.read_text() for file in wanted] == ["whole", "whole"]
"""


def test_two_first_sweeps_download_once_and_both_see_whole_files(tmp_path: Path) -> None:
    """Issue 14, item 23"""
    command = [sys.executable, "-c", DOWNLOADS, str(tmp_path)]
    processes = [subprocess.Popen(command, cwd=REPOSITORY) for _ in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b", "getting"}


def test_what_is_there_is_not_fetched_and_its_folder_need_not_be_writable(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    before = contents(tmp_path)
    ensure("x", tmp_path, [tmp_path / "a"], lambda: pytest.fail("fetched"))
    assert contents(tmp_path) == before


def test_who_was_killed_in_the_middle_left_something_that_is_fetched_again(tmp_path: Path) -> None:
    (tmp_path / ".x.lock").touch()
    (tmp_path / "a").touch()
    got = []
    ensure("x", tmp_path, [tmp_path / "a", tmp_path / "b"], lambda: got.append(1))
    assert got == [1]
    assert not (tmp_path / ".x.lock").exists()


@pytest.mark.parametrize(
    "error", [OSError("no network"), RuntimeError("no mirror\nat all"), EOFError()]
)
def test_what_cannot_be_had_is_one_line_with_ways_out(error: Exception, tmp_path: Path) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(BadInput) as caught:
        ensure("MNIST", tmp_path / "data", [tmp_path / "data" / "MNIST" / "raw"], fail)
    message = str(caught.value)
    assert message.startswith("cannot get MNIST into ")
    assert "mnist5k" in message
    assert "MNIST/raw" in message
    assert "\n" not in message
    assert contents(tmp_path) == set()


def test_locks_of_two_names_do_not_wait_for_each_other(tmp_path: Path) -> None:
    with lock(tmp_path, "x"), lock(tmp_path, "y"):
        pass
