"""Several experiments as one question, of one tracking store or of two."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments import compare, load_curves, load_trials, main_effects
from tests.conftest import Workspace
from tests.written import write
from vae.errors import BadInput


@pytest.fixture
def uri(tmp_path: Path) -> str:
    """A store with `tiny`, and `more` of the same configurations with another seed."""
    write(tmp_path, "tiny", seeds=[0, 1])
    return write(tmp_path, "more", seeds=[0, 1, 2])


def test_one_experiment_has_no_column_of_its_name(uri: str) -> None:
    assert "experiment" not in load_trials("tiny", uri)
    assert load_trials(["tiny"], uri).equals(load_trials("tiny", uri))


def test_several_are_one_frame_in_which_no_trial_is_another(uri: str) -> None:
    trials, alone = load_trials(["tiny", "more"], uri), load_trials("tiny", uri)
    assert list(trials.columns) == ["experiment", *alone.columns]
    assert trials["experiment"].value_counts().to_dict() == {"tiny": 6, "more": 9}
    assert trials["configuration_id"].nunique() == 6
    assert set(trials["trial_id"][:6]) == set(alone["trial_id"])
    curves = load_curves(["tiny", "more"], uri)
    assert set(curves["configuration_id"]) == set(trials["configuration_id"])
    assert len(curves) == 2 * 15


def test_they_are_compared_over_the_seeds_that_both_have(uri: str) -> None:
    trials = load_trials(["tiny", "more"], uri)
    compared = compare(trials, "test/nll").set_index(["experiment", "lr"])
    assert compared.loc[("more", 1e-3), "n_pairs"] == 2
    assert compared.loc[("more", 1e-3), "verdict"] in ("best", "identical")
    effects = main_effects(trials, "test/nll").set_index("axis")
    assert effects.loc["experiment", "difference"] == 0
    assert effects.loc["experiment", "n_pairs"] == 6
    control = compare(trials, "test/nll", {"experiment": "more", "lr": 1e-4})
    assert control["verdict"].iloc[0] == "control"
    assert control["experiment"].iloc[0] == "more"


def test_where_no_configuration_is_in_both_a_field_is_compared_across_them(uri: str) -> None:
    trials = load_trials(["tiny", "more"], uri)
    slow, fast = trials["lr"] == 1e-4, trials["lr"] == 1e-3
    apart = trials[
        (slow & (trials["experiment"] == "tiny")) | (fast & (trials["experiment"] == "more"))
    ]
    (effect,) = main_effects(apart, "test/nll").to_dict("records")
    assert (effect["axis"], effect["better"], effect["n_pairs"]) == ("lr", 1e-3, 2)


def test_stores_are_told_apart_where_names_are_not(tmp_path: Path, uri: str) -> None:
    other = tmp_path / "other"
    other.mkdir()
    second = write(other, "tiny", seeds=[0])
    same = load_trials(["tiny", f"{second}#tiny"], uri)
    assert list(same["experiment"].unique()) == ["mlflow.db", "other/mlflow.db"]
    assert list(load_trials(["more", f"{second}#tiny"], uri)["experiment"].unique()) == [
        "more",
        "tiny",
    ]
    three = load_trials(["more", "tiny", f"{second}#tiny"], uri)
    assert "other/mlflow.db#tiny" in set(three["experiment"])


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "no experiment"),
        (["tiny", "tiny"], "#tiny is named twice"),
        (["tiny", "tinny"], "did you mean 'tiny'"),
        (["tiny", "sqlite:////nowhere/mlflow.db#tiny"], "sqlite:////nowhere/mlflow.db"),
        (["tiny", "ftp://x#tiny"], "ftp://x"),
    ],
)
def test_what_cannot_be_read_is_named(uri: str, names: list[str], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        load_trials(names, uri)


# --------------------------------------------------------------------------- the command


@pytest.fixture
def two_stores(workspace: Workspace) -> Workspace:
    write(workspace.folder, "tiny", seeds=[0, 1])
    (workspace.folder / "old").mkdir()
    write(workspace.folder / "old", "tiny", seeds=[0, 1, 2])
    write(workspace.folder, "empty", seeds=[])
    return workspace


def test_one_report_of_two_stores(two_stores: Workspace) -> None:
    done = two_stores.run("analyze.py", "tiny", "sqlite:///old/mlflow.db#tiny", "--out", "joint")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "tiny (mlflow.db and old/mlflow.db)" in done.stdout
    assert "experiment: old/mlflow.db and mlflow.db are identical" in " ".join(done.stdout.split())
    page = (two_stores.folder / "joint" / "report.html").read_text()
    assert "15 of 15 trials finished" in page
    assert page.count('alt="samples of') == 6


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["sqlite:///old/none.db#tiny"], "sqlite:///old/none.db"),
        (["sqlite:///tiny.yaml#tiny"], "tiny.yaml: is not a SQLite database"),
        (["sqlite:///old/mlflow.db#teeny"], "did you mean 'tiny'"),
        (["empty"], "'empty' has no trials"),
        (["tiny"], "named twice"),
        (["sqlite:///old/mlflow.db#tiny", "--register", "best"], "--register: "),
        (["sqlite:///old/mlflow.db#tiny", "--failures"], "--failures: "),
        (["sqlite:///old/mlflow.db#tiny", "--control", "experiment=new"], "experiment=new"),
    ],
)
def test_bad_questions_of_several(two_stores: Workspace, arguments: list[str], said: str) -> None:
    done = two_stores.run("analyze.py", "tiny", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
