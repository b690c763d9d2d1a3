"""The table of an answer, on terminals of any width and encoding, of text from anywhere."""

from __future__ import annotations

import math
import subprocess
import sys

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.reporting.findings import answer
from experiments.reporting.terminal import print_answer, sparkline
from tests.conftest import REPOSITORY, Workspace, environment
from tests.reporting.test_report import frames
from tests.reporting.test_sentences import BAD, CLOSE, GOOD
from tests.reporting.test_sentences import trials as trials_of
from tests.written import RATES, write

LABELS = {f"{e} {loss} {t}" for e in ("mlp1", "mlp3") for loss in ("sse", "bce")
          for t in ("none", "grayscale")}  # fmt: skip


def shown(
    columns: int,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    trials: pd.DataFrame | None = None,
) -> list[str]:
    """The lines of the table alone."""
    monkeypatch.setenv("COLUMNS", str(columns))
    known, curves = frames()
    print_answer(answer("x", known if trials is None else trials), curves)
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= columns
    assert "…" not in text
    return text.partition("groups are")[0].splitlines()


def read_table(lines: list[str]) -> list[str]:
    """Labels with their n, put together where they are broken."""
    start = next(i for i, line in enumerate(lines) if "──" in line)
    rows: list[list[str]] = []
    for line in filter(str.strip, lines[start + 1 :]):
        words = line.split()
        n = [i for i, word in enumerate(words) if "/" in word]
        if n:
            rows.append([*words[: n[0]], words[n[0]]])
        else:
            rows[-1][-1:-1] = words
    return [" ".join(row) for row in rows]


@pytest.mark.parametrize("columns", [30, 40, 60, 80, 200])
def test_label_and_n_always_show(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """rich#826: of 30 to 60 columns only numbers were left."""
    lines = shown(columns, capsys, monkeypatch)
    table = read_table(lines)
    assert {row.rpartition(" ")[0] for row in table} == LABELS
    assert sorted(row.rpartition(" ")[2] for row in table) == ["4/5"] * 3 + ["5/5"] * 5
    heads = next(line for line in lines if "configuration" in line)
    assert ("return" in heads) == (columns >= 40)
    assert ("curve" in heads) == (columns >= 80)


def test_a_word_that_is_longer_than_the_terminal_is_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = frames()[0]
    name = "a_rather_long_name_of_a_file.py:Encoder"
    trials["encoder"] = trials["encoder"].replace("mlp3", name)
    lines = shown(30, capsys, monkeypatch, trials)
    assert name in "".join(line.strip().partition("  ")[0] for line in lines)


def test_a_value_that_has_blown_up_leaves_the_labels_their_room(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """rich#826: one of −2.6e25 squeezed every label to "sse lr=…"."""
    trials = frames()[0]
    trials.loc[trials.index[-1], ["return", "test/return"]] = -2.6e25
    lines = shown(80, capsys, monkeypatch, trials)
    assert {row.rpartition(" ")[0] for row in read_table(lines)} == LABELS
    assert any("-6.50e+24 ± 2.07e+25" in line for line in lines)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-16"])
def test_output_that_is_not_utf_8(workspace: Workspace, encoding: str) -> None:
    """rich#826"""
    write(workspace.folder)
    command = [sys.executable, str(REPOSITORY / "analyze.py"), "tiny", "--out", "report"]
    done = subprocess.run(
        command,
        cwd=workspace.folder,
        env=environment() | {"PYTHONIOENCODING": encoding},
        capture_output=True,
    )
    text = done.stdout.decode(encoding)
    assert done.returncode == 0, done.stderr.decode(encoding)
    assert "lr=0.0005" in text
    assert "2/2" in text
    assert "?" not in text


def test_a_locale_without_any_language(workspace: Workspace) -> None:
    """rich#826: as in a container, or in a job of Slurm."""
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    for script in ("sweep.py", "analyze.py"):
        command = [sys.executable, str(REPOSITORY / script), "tiny.yaml"]
        arguments = ["--engine", "serial", "--seeds", "0-0"] if script == "sweep.py" else []
        done = subprocess.run(
            [*command, *arguments],
            cwd=workspace.folder,
            env=environment() | plain,
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr
        assert (done.stdout + done.stderr).isascii()


FOREIGN = "ValueError: stages [/2, /4] [bold]x[/] :smile:"


def test_text_from_outside_is_no_markup(workspace: Workspace) -> None:
    """planemo#1643, rich#2636: with a reason such as this, no report was to be had any more."""
    write(workspace.folder, failures={(RATES[0], 0): (FOREIGN, "Traceback …")})
    done = workspace.run("analyze.py", "tiny", "--out", "report")
    assert done.returncode == 0
    assert FOREIGN in " ".join(done.stdout.split())
    assert FOREIGN in (workspace.folder / "report" / "report.html").read_text()


ENCODER = """
import math
from torch import nn
from vae.encoders import Encoder

class E(Encoder):
    def __init__(self, shape, hidden_dim, latent_dim):
        super().__init__(nn.Sequential(nn.Flatten()), math.prod(shape), latent_dim)
"""


def test_names_from_outside_are_no_markup(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """planemo#1643: of a file, in the plan and in a label."""
    name = "nets [red].py:E"
    workspace.write(ENCODER, "nets [red].py")
    question = "name: x\ndataset: mnist5k\ngrid: {encoder: [mlp1, 'nets [red].py:E']}"
    workspace.write(question, "x.yaml")
    plan = workspace.run("sweep.py", "x.yaml", "--dry-run")
    assert plan.returncode == 0
    assert name in plan.stdout
    trials = frames()[0]
    trials["encoder"] = trials["encoder"].replace("mlp3", name)
    assert name in " ".join(shown(80, capsys, monkeypatch, trials))


BARS = "▁▂▃▄▅▆▇█"
NO_CURVES = pd.DataFrame(columns=["configuration_id", "epoch", "val/return"])


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50), st.integers(2, 12))
def test_a_sparkline_keeps_its_ends_and_is_no_wider_than_asked(
    values: list[float], width: int
) -> None:
    line = sparkline(values, width)
    assert len(line) == min(len(values), width) and set(line) <= set(BARS)
    for end in (0, -1):
        if values[end] == max(values) > min(values):
            assert line[end] == BARS[-1]
        if values[end] == min(values):
            assert line[end] == BARS[0]


def test_a_curve_that_only_rises_is_a_row_of_rising_bars() -> None:
    assert sparkline([float(i) for i in range(8)]) == BARS
    assert sparkline([]) == ""


def test_every_verdict_has_its_mark_and_no_line_is_too_wide(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    frame = trials_of(mlp1=GOOD, mlp3=BAD, conv=CLOSE, resnet=GOOD, mlp=[None, None, None, None])
    print_answer(answer("x", frame, "test/nll"), NO_CURVES)
    said = capsys.readouterr().out
    rows = {line.split()[0]: line for line in said.splitlines() if "/4" in line}
    assert set(rows) == {"mlp1", "mlp3", "conv", "resnet", "mlp"}
    assert "= best" in rows["resnet"] or "= best" in rows["mlp1"]
    assert "≈ best" in rows["conv"] and "+50.47" in rows["mlp3"] and "0/4" in rows["mlp"]
    assert "failed: mlp s0-3: diverged" in said
    assert max(len(line) for line in said.splitlines()) <= 80


def test_of_one_seed_there_is_no_interval(capsys: pytest.CaptureFixture[str]) -> None:
    print_answer(answer("x", trials_of(mlp1=GOOD[:1], mlp3=BAD[:1]), "test/nll"), NO_CURVES)
    rows = [line for line in capsys.readouterr().out.splitlines() if "1/1" in line]
    assert len(rows) == 2 and not [row for row in rows if "±" in row or str(math.nan) in row]
