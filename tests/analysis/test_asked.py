"""What a file asks for, what was tracked besides, and `--only`.

Source of the reports: issue 14, item 8: what was tried with `--set` is mixed into one effect.
"""

from __future__ import annotations

import pytest

from experiments.analysis.asked import keep_only, not_asked_for
from experiments.analysis.load import load_trials
from tests.conftest import Workspace
from tests.written import RATES, write
from vae.errors import BadInput

QUESTION = """
name: tiny
dataset: mnist5k
grid: {lr: [1e-3, 5e-4, 1e-4]}
seeds: 2
fixed: {epochs: 2}
"""


@pytest.fixture
def tried(workspace: Workspace) -> Workspace:
    """With two and with four epochs."""
    workspace.write(QUESTION)
    write(workspace.folder)
    write(workspace.folder, epochs=4)
    return workspace


def told(workspace: Workspace, *changes: tuple[str, str]) -> str:
    question = QUESTION
    for before, after in changes:
        question = question.replace(before, after)
    file = workspace.write(question)
    return not_asked_for(file, load_trials("tiny", workspace.tracking_uri))


def test_what_a_file_does_not_ask_for_is_told_apart(tried: Workspace) -> None:
    rest = "; to compare like with like: --only epochs="
    assert told(tried) == (
        f"tiny.yaml as it is does not ask for 3 of 6 configurations (epochs 4){rest}2"
    )
    assert told(tried, ("epochs: 2", "epochs: 3")) == (
        f"tiny.yaml as it is does not ask for 6 of 6 configurations (epochs 2 or 4){rest}4"
    )
    assert told(tried, (", 1e-4]", "]")) == (
        f"tiny.yaml as it is does not ask for 4 of 6 configurations (epochs 4, lr 0.0001){rest}2"
    )
    both = (("epochs: 2", ""), ("grid: {", "grid: {epochs: [2, 4], "))
    assert told(tried, *both) == ""
    excluded = (*both, ("seeds", "exclude: [{epochs: 4, lr: 1e-3}]\nseeds"))
    assert told(tried, *excluded) == "tiny.yaml as it is does not ask for 1 of 6 configurations"


@pytest.mark.parametrize(
    "text",
    [
        "name: tiny\ngrid: 3",
        "name: tiny\ngrid: {lr: [1, 1]}",
        QUESTION.replace("mnist5k", "gone.npz"),
        QUESTION.replace("fixed: {", "fixed: {encoder: 'gone.py:Encoder', "),
    ],
)
def test_a_file_that_asks_nothing_any_more_is_no_reason_to_fail(
    tried: Workspace, text: str
) -> None:
    file = tried.write(text)
    assert not_asked_for(file, load_trials("tiny", tried.tracking_uri)) == ""


def test_code_beside_a_file_is_not_executed(tried: Workspace) -> None:
    tried.write("raise SystemExit('executed')\ndef load(data_dir): ...\n", "data.py")
    encoder = "class Encoder:\n    def __init__(self, *a): ...\nraise SystemExit('executed')\n"
    tried.write(encoder, "nets.py")
    assert told(tried, ("mnist5k", "'data.py:load'")) == ""
    assert "6 of 6" in told(tried, ("fixed: {", "fixed: {encoder: 'nets.py:Encoder', "))


def test_only(tried: Workspace) -> None:
    trials = load_trials("tiny", tried.tracking_uri)
    assert set(keep_only(trials, [{"epochs": 4}])["epochs"]) == {4}
    assert len(keep_only(trials, [])) == len(trials) == 12
    kept = keep_only(trials, [{"epochs": 4, "lr": RATES[0]}, {"lr": RATES[1]}])
    assert set(zip(kept["epochs"], kept["lr"], strict=True)) == {(4, RATES[0]), (4, RATES[1])}
    with pytest.raises(BadInput, match="--only epochs=3: nothing tracked has that; epochs is 2 or"):
        keep_only(trials, [{"epochs": 3}])
    with pytest.raises(BadInput, match="unknown field 'epoch'; did you mean 'epochs'"):
        keep_only(trials, [{"epoch": 3}])


def test_a_report_of_what_is_left(tried: Workspace) -> None:
    whole = tried.run("analyze.py", "tiny.yaml")
    assert "note: tiny.yaml as it is does not ask for 3 of 6 configurations" in whole.stderr
    assert "epochs=4" in whole.stdout
    part = tried.run("analyze.py", "tiny.yaml", "--only", "epochs=2", "--out", "report")
    assert part.returncode == 0
    assert "note" not in part.stderr
    assert part.stdout.startswith("tiny, only epochs=2: return, mean over seeds")
    assert "epochs=4" not in part.stdout
    assert "3 configurations" in (tried.folder / "report" / "report.html").read_text()
    assert tried.run("analyze.py", "tiny.yaml", "--only", "epochs").returncode == 2
