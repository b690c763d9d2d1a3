"""What failed, by causes: the grouping, and the command on trials that did fail."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import analyze
from experiments.reporting.failures import Failure, by_cause, end_of_traceback
from tests.complaints import complaint
from tests.conftest import Workspace
from tests.written import write

TRACE = """Traceback (most recent call last):
  File "/home/{who}/vae/experiments/execution/worker.py", line 50, in _advance_or_fail
    return _advance(task, log, report)
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/home/{who}/vae/vae/training.py", line 120, in fit
    train, lr, beta = _train_one_epoch(training, splits, epoch)
  File "/tmp/{who}-{n}/nets.py", line {line}, in forward
    raise ValueError("stages [/2, /4] of [red]" + str(self))
ValueError: stages [/2, /4] of [red]<Wide object at 0x7f{n:010x}>
"""


def failure(n: int = 0, who: str = "ann", line: int = 7, reason: str = "") -> Failure:
    trace = TRACE.format(who=who, n=n, line=line)
    reason = reason or trace.splitlines()[-1]
    return Failure(f"run{n}", "mlp1", n, reason, end_of_traceback(trace))


def test_the_end_of_a_traceback_is_its_innermost_calls_and_the_message() -> None:
    shown = end_of_traceback(TRACE.format(who="ann", n=1, line=7)).splitlines()
    assert shown[0].endswith('vae/training.py", line 120, in fit')
    assert shown[-1].startswith("ValueError: stages")
    assert len(shown) == 5
    long = "Traceback:\n" + "ValueError: a\n" + "and more\n" * 100
    assert end_of_traceback(long).splitlines()[-2:] == ["and more", "…"]
    assert end_of_traceback("") == ""


def test_addresses_folders_and_numbers_of_paths_split_no_cause() -> None:
    same = [failure(1), failure(123456, who="bob"), failure(2, who="cleo")]
    assert len(by_cause(same)) == 1
    assert len(by_cause([*same, failure(3, line=8)])) == 2, "another line of the code"
    assert len(by_cause([*same, failure(reason="TypeError: other")])) == 2


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("diverged: the loss of epoch 2 is", "diverged: the loss of epoch 31 is", True),
        ("No space left on device: '/tmp/a1/x.pt'", "No space left on device: '/b/7/x.pt'", True),
        (f"RuntimeError: run {'9f8e7d6c' * 4}", f"RuntimeError: run {'01' * 16}", True),
        ("out of memory on cuda:0: 2 GiB", "out of memory on cuda:3: 2 GiB", True),
        ("a quotient of 3/4", "a quotient of 3/5", False),
        ("shapes 3 and 4 do not fit", "shapes 3 and 5 do not fit", False),
        ("its worker was killed by SIGKILL", "its worker was killed by SIGSEGV", False),
        ("KeyError: 'defaced'", "KeyError: 'effaced'", False),
    ],
)  # fmt: skip
def test_what_is_incidental_in_a_reason(one: str, other: str, equal: bool) -> None:
    groups = by_cause([Failure("r", "mlp1", 0, reason, "") for reason in (one, other)])
    assert (len(groups) == 1) is equal


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=12))
def test_the_most_frequent_cause_is_first_and_no_failure_is_lost(reasons: list[str]) -> None:
    failures = [Failure(str(i), "", i, reason, "") for i, reason in enumerate(reasons)]
    groups = by_cause(failures)
    assert sorted(f.seed for group in groups for f in group) == list(range(len(reasons)))
    sizes = [len(group) for group in groups]
    assert sizes == sorted(sizes, reverse=True)
    assert all(len({f.reason for f in group}) == 1 for group in groups)


@pytest.fixture
def failed(tmp_path: Path) -> Workspace:
    """Of six trials, one diverged and two raised at the same place."""
    reason = "ValueError: stages [/2, /4] of [red]<Wide object at 0x7f0000000001>"
    failures = {
        (1e-3, 0): ("diverged: the loss of epoch 2 is not finite", ""),
        (5e-4, 1): (reason, TRACE.format(who="ann", n=1, line=7)),
        (1e-4, 1): (reason.replace("1>", "2>"), TRACE.format(who="bob", n=2, line=7)),
    }
    write(tmp_path, failures=failures)
    return Workspace(tmp_path)


def test_failures_are_told_by_cause_with_their_runs(failed: Workspace) -> None:
    done = failed.run("analyze.py", "tiny", "--failures")
    assert done.returncode == 0, done.stderr
    print(done.stdout)
    head, first, second = done.stdout.rstrip().split("\n\n")
    assert head == "tiny: 3 of 6 trials failed, of 2 causes"
    words = " ".join(first.split())
    assert words.startswith("2 trials: ValueError: stages [/2, /4] of [red]<Wide object at")
    assert 'File "/tmp/ann-1/nets.py", line 7, in forward' in words
    assert "      raise ValueError" in first, "code keeps its margin"
    assert re.search(r"lr=0\.0005 s1, run [0-9a-f]{32} lr=0\.0001 s1, run [0-9a-f]{32}$", words)
    assert second.startswith("1 trial: diverged: the loss of epoch 2 is not finite\n  lr=0.001 s0")


@pytest.mark.parametrize("width", [30, 60, 80])
def test_on_a_narrow_terminal_words_stay_whole(
    width: int, failed: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = failed.run("analyze.py", "tiny", "--failures").stdout.splitlines()
    too_long = [line for line in lines if len(line) > width]
    assert all(len(line.split()) == 1 for line in too_long), too_long
    assert 'nets.py", ' in " ".join(lines)


def test_where_nothing_failed_it_says_so(tmp_path: Path) -> None:
    write(tmp_path)
    done = Workspace(tmp_path).run("analyze.py", "tiny", "--failures")
    assert (done.returncode, done.stdout) == (0, "tiny: none of 6 trials has failed\n")


def test_a_report_is_not_asked_for_at_once(
    failed: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(failed.folder)
    arguments = ("tiny", "--failures", "--format", "csv")
    line = complaint(capsys, monkeypatch, failed.folder, analyze, *arguments)
    assert "--format: --failures does not take it (only EXPERIMENT, --tracking-uri)" in line
