"""Mistakes in a study or a race end in one clear line, exit 2, and nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest

import sweep
from tests.complaints import complaint

HEAD = "name: x\ndataset: mnist5k\n"
SPACE = "space: {latent_dim: {low: 2, high: 8}}"
GOOD = f"{HEAD}study: {{trials: 3, {SPACE}}}\nfixed: {{epochs: 1}}\n"


def study(keys: str, rest: str = "") -> str:
    return f"{HEAD}study: {{{keys}}}\n{rest}"


def space(fields: str, keys: str = "trials: 3") -> str:
    return study(f"{keys}, space: {{{fields}}}")


# what is in the file, what the line has to say
FILES: dict[str, tuple[str, list[str]]] = {
    "grid beside study": (study(f"trials: 3, {SPACE}", "grid: {lr: [1]}\n"), ["grid", "study"]),
    "zip beside study": (
        study(f"trials: 3, {SPACE}", "zip: [{lr: [1, 2]}]\n"), ["zip", "study"],
    ),
    "exclude beside study": (
        study(f"trials: 3, {SPACE}", "exclude: [{loss: sse}]\n"), ["exclude", "study"],
    ),
    "racing beside study": (study(f"trials: 3, {SPACE}", "racing: true\n"), ["racing", "study"]),
    "unknown key": (study(f"trails: 3, {SPACE}"), ["study", "'trails'", "did you mean 'trials'?"]),
    "no trials": (study(SPACE), ["study.trials", "missing"]),
    "zero trials": (study(f"trials: 0, {SPACE}"), ["study.trials", "0"]),
    "half a trial": (study(f"trials: 2.5, {SPACE}"), ["study.trials", "2.5"]),
    "no space": (study("trials: 3"), ["study.space", "missing"]),
    "empty space": (space(""), ["study.space", "empty"]),
    "unknown sampler": (
        study(f"trials: 3, sampler: tpee, {SPACE}"), ["'tpee'", "did you mean 'tpe'?", "cmaes"],
    ),
    "unknown pruner": (
        study(f"trials: 3, pruner: medain, {SPACE}"), ["'medain'", "did you mean 'median'?"],
    ),
    "unknown metric": (study(f"trials: 3, metric: loss, {SPACE}"), ["metric", "'loss'", "nll"]),
    "racing that is no yes or no": (study(f"trials: 3, racing: 3, {SPACE}"), ["study.racing"]),
    "unknown field": (space("latentdim: [2]"), ["'latentdim'", "did you mean 'latent_dim'?"]),
    "seed in the space": (space("seed: [1, 2]"), ["seed", "replicates"]),
    "unknown choice": (space("encoder: [mlp1, mlp9]"), ["study.space: encoder", "'mlp9'", "conv"]),
    "no choices": (space("encoder: []"), ["study.space: encoder", "empty"]),
    "a choice twice": (space("encoder: [mlp1, mlp1]"), ["encoder", "twice"]),
    "a range of names": (space("encoder: {low: conv, high: mlp1}"), ["encoder", "list"]),
    "a bound that is missing": (space("lr: {low: 1e-4}"), ["study.space: lr", "high", "missing"]),
    "a bound of its own": (space("lr: {low: 1e-4, hihg: 1}"), ["'hihg'", "did you mean 'high'?"]),
    "bounds backwards": (space("lr: {low: 1, high: 1e-4}"), ["lr", "low should be below high"]),
    "bounds alike": (space("latent_dim: {low: 2, high: 2}"), ["latent_dim", "below"]),
    "a bound out of range": (space("lr: {low: -1, high: 1}"), ["study.space: lr", "-1"]),
    "a bound that is no number": (space("lr: {low: a, high: 1}"), ["study.space: lr", "'a'"]),
    "a logarithm of zero": (
        space("beta: {low: 0, high: 1, log: true}"), ["beta", "above 0"],
    ),
    "a logarithm in steps": (
        space("latent_dim: {low: 2, high: 8, log: true, step: 2}"), ["latent_dim", "steps"],
    ),
    "a step of nothing": (space("latent_dim: {low: 2, high: 8, step: 0}"), ["latent_dim", "step"]),
    "half a step": (space("latent_dim: {low: 2, high: 8, step: 0.5}"), ["step", "whole"]),
    "the yardstick in the space": (space("nll_samples: [1, 50]"), ["nll_samples", "yardstick"]),
    "losses by return": (
        space("loss: [sse, bce]"), ["study.space.loss", "metric: nll"],
    ),
    "transforms by return": (
        space("transform: [none, binarize]"), ["study.space.transform", "metric: nll"],
    ),
    "data sets": (
        "name: x\nstudy: {trials: 3, metric: nll, space: {dataset: [mnist5k, mnist]}}\n",
        ["study.space.dataset", "fix it"],
    ),
    "fixed and searched": (
        study(f"trials: 3, {SPACE}", "fixed: {latent_dim: 3}\n"), ["latent_dim", "fixed"],
    ),
    "a bound that cannot be": (
        space("batch_size: {low: 100, high: 4000}"), ["study.space.batch_size", "4000"],
    ),
    "racing between data sets": (
        "name: x\ngrid: {dataset: [mnist5k, mnist]}\nracing: true\n", ["racing", "data sets"],
    ),
    "racing as a number": (HEAD + "grid: {lr: [1, 2]}\nracing: 2\n", ["racing"]),
}  # fmt: skip

# what follows the name of a good file, what the line has to say
ARGUMENTS: dict[str, tuple[list[str], list[str]]] = {
    "a shard of a study": (["--shard", "1/2"], ["--shard", "study"]),
    "failed trials of a study": (["--retry-failed"], ["--retry-failed", "trials"]),
    "storage that is none": (["--optuna-storage", "nonsense"], ["--optuna-storage nonsense"]),
    "storage below a file": (
        ["--optuna-storage", "sqlite:///good.yaml/x.db"], ["--optuna-storage", "good.yaml"],
    ),
    "storage of something else": (
        ["--optuna-storage", "sqlite:///good.yaml"], ["--optuna-storage", "not a SQLite database"],
    ),
    "an axis that fixes the space away": (
        ["--set", "latent_dim=3"], ["study.space", "nothing is left"],
    ),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "good.yaml").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("case", FILES)
def test_bad_files(case: str, folder: Path, capsys, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    text, said = FILES[case]
    (folder / "bad.yaml").write_text(text)
    line = complaint(capsys, monkeypatch, folder, sweep, "bad.yaml")
    for words in ["bad.yaml", *said]:
        assert words in line


@pytest.mark.parametrize("case", ARGUMENTS)
def test_bad_arguments(case: str, folder: Path, capsys, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    arguments, said = ARGUMENTS[case]
    line = complaint(capsys, monkeypatch, folder, sweep, "good.yaml", *arguments)
    for words in said:
        assert words in line


def test_a_shard_of_a_race(folder: Path, capsys, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    (folder / "race.yaml").write_text(HEAD + "grid: {lr: [1e-3, 1e-2]}\nracing: true\nseeds: 3\n")
    line = complaint(capsys, monkeypatch, folder, sweep, "race.yaml", "--shard", "1/2")
    assert "--shard" in line and "race" in line
