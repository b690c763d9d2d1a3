"""The contract of a sweep, end to end: real processes, a real database, the commands themselves."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from experiments import load_curves, load_trials, summarize
from experiments.analysis.load import mean_curves_of
from experiments.analysis.sources import Source, open_sources
from experiments.metrics import MEAN_CURVE
from experiments.tracking.image_names import step_of
from experiments.tracking.reader import Reader
from tests.conftest import REPOSITORY, TINY, Workspace
from tests.tracked import numbers, runs
from vae.configuration import Configuration, Trial

FIELDS = set(Configuration(dataset="mnist5k").flat)
EPOCH_METRICS = {
    "train/loss", "train/reconstruction", "train/kl",
    "val/loss", "val/reconstruction", "val/kl", "val/return",
    "epoch_seconds", "images_per_second",
}  # fmt: skip
FINAL_METRICS = {
    "return", "best_epoch", "test/return", "test/reconstruction", "test/kl", "test/nll", "val/nll",
    "test/active_units", "test/mutual_information",
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, str]:
    """A sweep of 4 configurations × 2 seeds that has run, and what it said."""
    workspace = Workspace(tmp_path_factory.mktemp("finished"))
    workspace.write(TINY)
    done = workspace.run("sweep.py", "tiny.yaml", "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return workspace, done.stderr


def database(workspace: Workspace) -> Path:
    return workspace.folder / "mlflow.db"


def test_every_trial_has_one_finished_run(finished: tuple[Workspace, str]) -> None:
    trials = runs(database(finished[0]), "trial")
    assert len(trials) == 8
    assert {run.status for run in trials} == {"FINISHED"}
    assert {run.tags["completed"] for run in trials} == {"true"}
    assert len({run.tags["trial_id"] for run in trials}) == 8


def test_a_trial_s_run_has_the_layout(finished: tuple[Workspace, str]) -> None:
    commit = subprocess.run(
        ["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"], capture_output=True, text=True
    ).stdout.strip()
    for run in runs(database(finished[0]), "trial"):
        trial = Trial.model_validate_json(run.tags["trial"])
        assert run.tags["trial_id"] == trial.id
        assert run.tags["configuration_id"] == trial.configuration.id
        assert run.tags["mlflow.source.git.commit"] == commit
        assert run.tags["git.dirty"] in ("true", "false")
        assert re.fullmatch(rf"mlp\d (sse|bce) none s{trial.seed}", run.name)
        assert set(run.params) == FIELDS | {"seed"}
        assert run.params["encoder"] == trial.configuration.encoder
        assert run.params["seed"] == str(trial.seed)
        for key in EPOCH_METRICS:
            assert [step for step, _ in run.metrics[key]] == [1, 2], key
        for key in FINAL_METRICS:
            assert len(run.metrics[key]) == 1, key
        assert set(run.metrics) == EPOCH_METRICS | FINAL_METRICS


def test_the_metrics_agree_with_each_other(finished: tuple[Workspace, str]) -> None:
    for run in runs(database(finished[0]), "trial"):
        values = {key: dict(points) for key, points in run.metrics.items()}
        for epoch in (1, 2):
            for split in ("train", "val"):
                total = values[f"{split}/reconstruction"][epoch] + values[f"{split}/kl"][epoch]
                assert values[f"{split}/loss"][epoch] == pytest.approx(total)
            assert values["val/return"][epoch] == pytest.approx(-values["val/loss"][epoch])
        returns = values["val/return"]
        (best,) = values["best_epoch"].values()
        (kept,) = values["return"].values()
        assert kept == max(returns.values()) == returns[int(best)]


def test_trials_nest_under_configuration_runs(finished: tuple[Workspace, str]) -> None:
    configurations = {r.run_id: r for r in runs(database(finished[0]), "configuration")}
    assert len(configurations) == 4
    for run in configurations.values():
        assert json.loads(run.tags["seeds"]) == [0, 1]
        assert run.status == "FINISHED"
        assert set(run.params) == FIELDS
    for trial in runs(database(finished[0]), "trial"):
        parent = configurations[trial.tags["mlflow.parentRunId"]]
        assert parent.tags["configuration_id"] == trial.tags["configuration_id"]


def test_configuration_runs_carry_the_means(finished: tuple[Workspace, str]) -> None:
    """The numbers of `summarize`, the mean curve, and a contact sheet of one strip a seed."""
    workspace = finished[0]
    trials = load_trials("tiny", workspace.tracking_uri)
    summary = summarize(trials, ["return", "test/nll"]).set_index("configuration_id")
    by_trial = {r.tags["trial_id"]: r for r in runs(database(workspace), "trial")}
    for run in runs(database(workspace), "configuration"):
        row = summary.loc[run.tags["configuration_id"]]
        latest = {key: points[-1][1] for key, points in run.metrics.items()}
        for name, metric in (("return", "return"), ("nll", "test/nll")):
            for statistic in ("mean", "std", "ci95_low", "ci95_high"):
                assert latest[f"{name}.{statistic}"] == row[f"{metric}.{statistic}"]
        assert (latest["n_finished"], latest["n_expected"]) == (2, 2)
        mine = trials[trials["configuration_id"] == run.tags["configuration_id"]]
        curves = [by_trial[i].metrics["val/return"] for i in mine["trial_id"]]
        expected = [(e, pytest.approx((x + y) / 2)) for (e, x), (_, y) in zip(*curves, strict=True)]
        assert run.metrics["val/return.mean"] == expected
        folder = workspace.folder / "mlartifacts" / "tiny" / run.run_id / "artifacts" / "images"
        (sheet,) = folder.glob("samples+step+*.png")
        with Image.open(sheet) as picture:
            assert picture.size == (62, 2 * 31)  # the top row of two, with half of a gap, twice


def test_means_follow_when_seeds_are_added(workspace: Workspace) -> None:
    """Issue 14, item 8: in the run that the configuration has, with what a person wrote on it."""
    from mlflow import MlflowClient

    one = ["--engine", "serial", "--set", "encoder=mlp1", "--set", "loss=sse", "--seeds"]
    assert workspace.run("sweep.py", "tiny.yaml", *one, "0-1").returncode == 0
    (before,) = runs(database(workspace), "configuration")
    client = MlflowClient(workspace.tracking_uri)
    client.set_tag(before.run_id, "mlflow.note.content", "the one for the paper")
    assert workspace.run("sweep.py", "tiny.yaml", *one, "2-2").returncode == 0
    (run,) = runs(database(workspace), "configuration")
    for seeds in ("0-2", "1-1"):
        assert workspace.run("sweep.py", "tiny.yaml", *one, seeds).returncode == 0
        assert runs(database(workspace), "configuration") == [run], "asking again changes nothing"
    assert run.run_id == before.run_id
    assert run.tags["mlflow.note.content"] == "the one for the paper"
    trials = load_trials("tiny", workspace.tracking_uri)
    assert run.metrics["return.mean"][-1][1] == pytest.approx(trials["return"].mean())
    assert run.metrics["n_finished"][-1][1] == 3
    assert json.loads(run.tags["seeds"]) == [0, 1, 2]
    children = runs(database(workspace), "trial")
    assert {child.tags["mlflow.parentRunId"] for child in children} == {run.run_id}
    assert len(children) == 3
    curves = [dict(child.metrics["val/return"]) for child in children]
    mean = {epoch: pytest.approx(sum(c[epoch] for c in curves) / 3) for epoch in (1, 2)}
    assert dict(run.metrics["val/return.mean"]) == mean, "the newest point of each step"
    reader = Reader.find(workspace.tracking_uri, "tiny")
    assert reader and dict(reader.curve(run.run_id, "val/return.mean")) == mean
    images = workspace.folder / "mlartifacts" / "tiny" / run.run_id / "artifacts" / "images"
    assert {step_of(str(p)) for p in images.glob("samples+*.png")} == {2, 3}, "a strip a seed"


def test_analyze_out_writes_and_tracks_a_report(finished: tuple[Workspace, str]) -> None:
    workspace = finished[0]
    for _ in range(2):
        done = workspace.run("analyze.py", "tiny", "--out", "out")
        assert done.returncode == 0, done.stderr
        assert "By test/nll" in " ".join(done.stdout.split())
    names = {path.name for path in (workspace.folder / "out").iterdir()}
    assert names == {"trials.csv", "summary.csv", "summary.md", "summary.tex", "report.html"}
    (report,) = runs(database(workspace), "report")
    tracked = workspace.folder / "mlartifacts" / "tiny" / report.run_id / "artifacts"
    assert {path.name for path in tracked.iterdir()} == names
    text = (workspace.folder / "out" / "report.html").read_text()
    assert "python " in text
    assert "analyze.py tiny --out out" in text
    assert text.count('alt="samples of ') == 4


def test_load_curves_has_a_row_per_trial_and_epoch(finished: tuple[Workspace, str]) -> None:
    curves = load_curves("tiny", finished[0].tracking_uri, ["val/return", "train/loss"])
    assert len(curves) == 8 * 2
    assert list(curves.columns) == [
        "configuration_id", "trial_id", "seed", "state", "epoch", "val/return", "train/loss",
    ]  # fmt: skip
    best = curves.groupby("trial_id")["val/return"].max()
    trials = load_trials("tiny", finished[0].tracking_uri).set_index("trial_id")
    assert (best == trials["return"].loc[best.index]).all()


def test_mean_curves_are_the_means_of_the_trials_curves(finished: tuple[Workspace, str]) -> None:
    uri = finished[0].tracking_uri
    keys = ["configuration_id", "epoch"]
    of_trials = load_curves("tiny", uri).groupby(keys)["val/return"].mean()
    means = mean_curves_of(open_sources("tiny", uri))
    assert len(means) == len(of_trials), "read where they are tracked, not trial by trial"
    assert means.set_index(keys)["val/return"].to_dict() == pytest.approx(of_trials.to_dict())


def test_without_a_mean_curve_those_of_the_trials_stand_in(finished: tuple[Workspace, str]) -> None:
    class Unfinished(Reader):
        def curve(self, run_id: str, key: str) -> list[tuple[int, float]]:
            return [] if key == MEAN_CURVE else super().curve(run_id, key)

    uri = finished[0].tracking_uri
    tracker = Unfinished.find(uri, "tiny")
    assert tracker is not None
    curves = mean_curves_of([Source(tracker, "tiny")])
    assert len(curves) == 8 * 2
    assert curves["val/return"].tolist() == load_curves("tiny", uri)["val/return"].tolist()


def test_pictures_are_where_mlflow_s_image_grid_looks(finished: tuple[Workspace, str]) -> None:
    artifacts = finished[0].folder / "mlartifacts" / "tiny"
    trials = runs(database(finished[0]), "trial")
    folders = [artifacts / run.run_id / "artifacts" / "images" for run in trials]
    for folder in folders:
        names = sorted(p.name for p in folder.glob("*.png"))
        assert [name.split("+timestamp")[0] for name in names] == [
            "reconstructions+step+2",  # pictures: {every: 2}
            "samples+step+2",
        ]
        assert len(list(folder.iterdir())) == 4  # each with its thumbnail
        with Image.open(folder / names[1]) as picture:
            assert picture.size == (2 * 30 + 2, 2 * 30 + 2)  # images: 4


def test_the_data_set_is_an_input_with_a_digest(finished: tuple[Workspace, str]) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(finished[0].tracking_uri)
    for run in runs(database(finished[0]), "trial"):
        inputs = client.get_run(run.run_id).inputs
        assert inputs is not None
        (dataset,) = inputs.dataset_inputs
        assert dataset.dataset.name == "mnist5k"
        assert re.fullmatch(r"[0-9a-f]{16}", dataset.dataset.digest)


def test_the_log_tells_each_epoch_as_the_reference_does(finished: tuple[Workspace, str]) -> None:
    number = r"\d+\.\d+"
    terms = rf"{number} \(reconstruction {number}, kl {number}\)"
    epochs = re.findall(rf"epoch (\d)/2  train {terms}  val {terms}", finished[1])
    assert sorted(epochs) == ["1"] * 8 + ["2"] * 8
    assert finished[1].splitlines()[-1].startswith("8 trials finished")
    assert f"python {REPOSITORY / 'analyze.py'} tiny.yaml" in finished[1].splitlines()[-1]


def test_nothing_is_left_behind(finished: tuple[Workspace, str]) -> None:
    assert list((finished[0].folder / "checkpoints" / "tiny").iterdir()) == []


def test_load_trials_is_typed(finished: tuple[Workspace, str]) -> None:
    trials = load_trials("tiny", finished[0].tracking_uri)
    assert len(trials) == 8
    assert list(trials.columns[:6]) == [
        "run_id", "trial_id", "configuration_id", "seed", "state", "error",
    ]  # fmt: skip
    assert set(trials["state"]) == {"finished"}
    assert trials["lr"].dtype == "float64"
    assert trials["epochs"].dtype == "int64"
    assert trials["return"].dtype == "float64"
    assert trials["return"].notna().all()


def test_the_same_trials_in_any_engine_order_and_company_have_the_same_bits(
    finished: tuple[Workspace, str], workspace: Workspace
) -> None:
    """One worker, no worker, alone, after others: the numbers of the two workers' sweep."""
    expected = numbers(database(finished[0]))
    reordered = TINY.replace("[mlp1, mlp3]", "[mlp3, mlp1]").replace("seeds: 2", "seeds: [1, 0]")
    workspace.write(reordered)
    for arguments in (
        ["--engine", "serial", "--seeds", "1-1", "--set", "encoder=mlp3", "--set", "loss=bce"],
        ["--workers", "1"],
    ):
        done = workspace.run("sweep.py", "tiny.yaml", *arguments)
        assert done.returncode == 0, done.stderr
    assert numbers(database(workspace)) == expected


def test_only_what_is_missing_runs(finished: tuple[Workspace, str], workspace: Workspace) -> None:
    """More seeds, another axis value, another order: nothing that is done is done again."""
    for arguments, n_new, n_before in (
        (["--set", "loss=sse"], 4, 0),
        (["--set", "loss=sse"], 0, 4),
        (["--set", "loss=sse", "--seeds", "1-2"], 2, 2),
        (["--set", "loss=bce,sse", "--set", "encoder=mlp1", "--seeds", "2,0"], 2, 2),
    ):
        done = workspace.run("sweep.py", "tiny.yaml", "--engine", "serial", *arguments)
        assert done.returncode == 0, done.stderr
        closing = done.stderr.splitlines()[-1]
        assert closing.startswith(f"{n_new} trials finished"), closing
        assert (f"{n_before} already finished" in closing) == bool(n_before)
    trials = runs(database(workspace), "trial")
    assert len({run.tags["trial_id"] for run in trials}) == len(trials) == 8
    seeds = {
        run.name: json.loads(run.tags["seeds"])
        for run in runs(database(workspace), "configuration")
    }
    assert seeds == {
        "mlp1 sse none": [0, 1, 2], "mlp3 sse none": [0, 1, 2], "mlp1 bce none": [0, 2],
    }  # fmt: skip


def test_what_was_tracked_before_a_field_was_added_still_counts(workspace: Workspace) -> None:
    """A store as older code left it: nothing runs again, and reports have the field."""
    one = ["--engine", "serial", "--set", "encoder=mlp1", "--set", "loss=bce", "--seeds", "0-0"]
    assert workspace.run("sweep.py", "tiny.yaml", *one).returncode == 0
    with sqlite3.connect(database(workspace)) as db:
        for key in ("trial", "configuration"):
            for run_id, text in db.execute(
                "SELECT run_uuid, value FROM tags WHERE key = ?", (key,)
            ).fetchall():
                assert '"patience"' in text
                older = re.sub(r', ?"patience": ?0', "", text)
                db.execute(
                    "UPDATE tags SET value = ? WHERE run_uuid = ? AND key = ?", (older, run_id, key)
                )
        db.execute("DELETE FROM params WHERE key = 'patience'")
    again = workspace.run("sweep.py", "tiny.yaml", *one[:-1], "0-1")
    assert "1 trial finished, 1 already finished" in again.stderr
    new = workspace.run(
        "sweep.py", "tiny.yaml", *one, "--set", "objective=iwae", "--set", "objective.samples=3,5"
    )
    assert "2 trials finished" in new.stderr
    trials = load_trials("tiny", workspace.tracking_uri)
    assert trials["patience"].tolist() == [0] * 4
    assert trials["objective.samples"].dropna().tolist() == [3, 5]
    assert workspace.run("analyze.py", "tiny").returncode == 0
    assert workspace.run("evaluate.py", trials["run_id"][0]).returncode == 0


def test_a_diverging_trial_fails_alone_and_in_sight(workspace: Workspace) -> None:
    arguments = ["--set", "encoder=mlp1", "--set", "loss=sse", "--set", "lr=1e-3,1e30"]
    done = workspace.run("sweep.py", "tiny.yaml", "--workers", "1", *arguments)
    assert done.returncode == 1
    assert "2 FAILED" in done.stderr.splitlines()[-1]
    failed = [run for run in runs(database(workspace), "trial") if run.status == "FAILED"]
    assert len(failed) == 2
    assert all(run.tags["error"].startswith("diverged") for run in failed)

    again = workspace.run("sweep.py", "tiny.yaml", "--engine", "serial", *arguments)
    assert again.returncode == 1, "failed trials stay failed until asked for"
    assert again.stderr.splitlines()[-1].startswith("0 trials finished, 2 already finished, 2 FAIL")
    retried = workspace.run(
        "sweep.py", "tiny.yaml", "--engine", "serial", "--retry-failed", *arguments
    )
    assert retried.returncode == 1
    assert retried.stderr.count("FAILED: diverged") == 2
    tried = runs(database(workspace), "trial")
    assert len(tried) == 6, "what failed stays beside what was tried again"
    assert sum(run.tags.get("retried") == "true" for run in tried) == 2

    table = workspace.run("analyze.py", "tiny.yaml")
    assert table.returncode == 0
    assert "0/2" in table.stdout
    assert "2/2" in table.stdout
    assert table.stdout.count("failed: ") == 1
    assert "s0-1: diverged" in " ".join(table.stdout.split())


def test_grayscale_of_gray_digits_equals_none_to_the_last_bit(workspace: Workspace) -> None:
    done = workspace.run(
        "sweep.py", "tiny.yaml", "--engine", "serial", "--set", "transform=none,grayscale",
        "--set", "encoder=mlp1", "--set", "loss=sse",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    by_transform: dict[str, list[object]] = {"none": [], "grayscale": []}
    for run in sorted(runs(database(workspace), "trial"), key=lambda run: run.params["seed"]):
        metrics = numbers(database(workspace))[run.tags["trial_id"]]
        by_transform[run.params["transform"]].append(metrics)
    assert by_transform["none"] == by_transform["grayscale"]
    assert len(by_transform["none"]) == 2


def test_dry_run_touches_nothing(workspace: Workspace) -> None:
    before = set(workspace.folder.rglob("*"))
    done = workspace.run("sweep.py", "tiny.yaml", "--dry-run")
    assert done.returncode == 0
    assert set(workspace.folder.rglob("*")) == before
    assert "4 configurations × 2 seeds = 8 trials" in done.stdout
    assert "16 epochs" in done.stdout


def test_dry_run_knows_what_is_done(finished: tuple[Workspace, str]) -> None:
    done = finished[0].run("sweep.py", "tiny.yaml", "--dry-run", "--seeds", "0-4")
    assert "8 finished, 12 missing" in done.stdout
    assert "with" in done.stdout
    assert "workers (from measured" in " ".join(done.stdout.split())


def test_the_name_survives_set_and_seeds(finished: tuple[Workspace, str]) -> None:
    done = finished[0].run(
        "sweep.py", "tiny.yaml", "--dry-run", "--set", "epochs=3", "--seeds", "7"
    )
    assert done.stdout.startswith("tiny")


@pytest.mark.parametrize("form", ["csv", "markdown", "latex", "json"])
def test_analyze_in_every_format(finished: tuple[Workspace, str], form: str) -> None:
    done = finished[0].run("analyze.py", "tiny", "--format", form)
    assert done.returncode == 0
    assert done.stdout.count("mlp3") == 2
    if form == "json":
        rows = json.loads(done.stdout)
        assert [row["n_finished"] for row in rows] == [2] * 4
        assert rows == sorted(rows, key=lambda row: -row["return.mean"])
