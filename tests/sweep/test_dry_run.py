"""The plan as people read it, which touches nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.spec.experiment import load_experiment
from experiments.sweep.dry_run import print_plan
from tests.written import write


def plan(
    folder: Path, text: str, capsys: pytest.CaptureFixture[str], retry_failed: bool = False
) -> str:
    (folder / "q.yaml").write_text("name: tiny\ndataset: mnist5k\nseeds: 3\n" + text)
    experiment = load_experiment(folder / "q.yaml")
    uri, storage = (f"sqlite:///{folder / name}.db" for name in ("mlflow", "optuna"))
    print_plan(experiment, uri, folder / "checkpoints", 2, retry_failed, storage)
    return capsys.readouterr().out


GRID = "grid: {lr: [1e-3, 5e-4, 1e-4]}\nfixed: {epochs: 2}\n"


def test_of_what_was_never_tracked_all_is_missing_and_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = plan(tmp_path, GRID, capsys)
    assert "3 configurations × 3 seeds = 9 trials: 9 missing" in said
    assert "to run: 9 trials, at most 18 epochs" in said
    assert "about" not in said, "nothing was measured yet"
    assert [path.name for path in tmp_path.iterdir()] == ["q.yaml"]


def test_what_is_tracked_is_not_to_be_run_and_what_failed_only_if_wanted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, failures={(5e-4, 1): ("diverged", "")})
    said = plan(tmp_path, GRID, capsys)
    assert "9 trials: 5 finished, 1 failed, 3 missing" in said
    assert "to run: 3 trials, at most 6 epochs" in said
    assert "to run: 4 trials" in plan(tmp_path, GRID, capsys, retry_failed=True)


def test_a_study_is_told_by_its_space(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = "study: {trials: 7, pruner: median, space: {lr: {low: 1e-3, high: 1e-2}, beta: [1, 4]}}"
    said = plan(tmp_path, f"{study}\nfixed: {{epochs: 4}}\n", capsys)
    assert "7 configurations × 3 seeds, proposed by tpe" in said
    assert "1.0, 4.0" in said and "median may stop them after epoch" in said
    assert "to try: 7 configurations, at most 84 epochs" in said
