"""Reports as people meet them: terminal, files, and the HTML page in a real browser."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from experiments.analysis.load import load_trials
from experiments.models.load import best_of_experiment
from experiments.reporting.findings import answer, unfinished
from experiments.reporting.html import render
from experiments.reporting.notes import of_metric, of_yardstick
from experiments.reporting.plots import learning_curves
from experiments.reporting.sentences import conclusions, group_conclusions
from experiments.reporting.terminal import print_answer, sparkline
from tests.conftest import Workspace
from tests.written import RATES, write
from vae.configuration import Configuration, Trial

CHROMIUM = next(
    (c for c in ("chromium", "chromium-browser", "google-chrome") if shutil.which(c)), ""
)


def frames(n_seeds: int = 5) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Trials of 8 configurations, and their curves: one failed, one missing, one pruned."""
    rng = np.random.default_rng(7)
    luck = rng.normal(scale=0.5, size=n_seeds)
    rows, curves = [], []
    for encoder in ("mlp1", "mlp3"):
        for loss in ("sse", "bce"):
            for transform in ("none", "grayscale"):
                configuration = Configuration(encoder=encoder, loss=loss, transform=transform)
                for seed in range(n_seeds):
                    trial = Trial(configuration=configuration, seed=seed)
                    # The same numbers for both transforms, as on gray images.
                    own = np.random.default_rng([seed, encoder == "mlp1", loss == "sse"])
                    noise = own.normal(scale=0.5)
                    nll = 100 + 4 * (encoder == "mlp3") + 20 * (loss == "sse") + luck[seed] + noise
                    rows.append(
                        {
                            "run_id": f"{trial.id}run", "trial_id": trial.id,
                            "configuration_id": configuration.id, "seed": seed,
                            "state": "finished", "error": "", **configuration.model_dump(),
                            "return": -nll / 3, "best_epoch": 5.0, "test/return": -nll / 3,
                            "test/reconstruction": nll / 4, "test/kl": nll / 12, "test/nll": nll,
                        }
                    )  # fmt: skip
                    curves += [
                        {"configuration_id": configuration.id, "trial_id": trial.id, "seed": seed,
                         "state": "finished", "epoch": epoch, "val/return": -nll / 3 - 20 / epoch}
                        for epoch in range(1, 6)
                    ]  # fmt: skip
    trials = pd.DataFrame(rows)
    numbers = ["return", "best_epoch", "test/return", "test/reconstruction", "test/kl", "test/nll"]
    for row, state in ((0, "failed"), (n_seeds, "missing"), (7 * n_seeds, "pruned")):
        trials.loc[row, "state"] = state
        trials.loc[row, numbers] = math.nan
    trials.loc[0, "error"] = "diverged: the loss of epoch 2 is not finite <script>alert(1)</script>"
    return trials, pd.DataFrame(curves)


def test_the_first_sentence_is_the_answer() -> None:
    first, *rest = conclusions(answer("x", frames()[0]))
    assert first.startswith("By test/nll, mlp1 bce ")
    assert "It is better than 5 of the others" in first
    assert "Pruned on the way: mlp3 bce grayscale." in first
    assert "Identical to it in every seed" in first
    told = " ".join(rest)
    assert re.search(r"encoder: mlp1 is better than mlp3 by 4\.\d\d in test/nll", told)
    assert re.search(r"loss: bce is better than sse by \d\d\.\d\d in test/nll", told)
    assert "none and grayscale are identical in every trial (the images are gray already)" in told
    groups = " ".join(group_conclusions(answer("x", frames()[0])))
    assert "By return among mnist sse none, mlp3 sse none has the best mean" in groups
    assert "mlp1 sse none has a better mean over the seeds that did not fail, and cannot" in groups
    assert "By return among mnist bce none, mlp1 bce none has the best mean" in groups
    assert "It is better than mlp3 bce none (" in groups


def test_one_seed_names_no_winner() -> None:
    trials = frames()[0]
    first, *rest = conclusions(answer("x", trials[trials["seed"] == 1]))
    assert "No winner can be named with these seeds." in first
    assert "better than" not in " ".join([first, *rest])
    assert "encoder: one seed says nothing about mlp1 against mlp3." in rest


def test_nothing_finished_says_nothing() -> None:
    trials = frames()[0].assign(state="missing")
    assert conclusions(answer("x", trials)) == ["No trial has finished yet: nothing can be said."]


def test_one_trial_is_no_comparison() -> None:
    trials = frames()[0].iloc[1:2]
    (sentence,) = conclusions(answer("x", trials))
    assert sentence.startswith("By test/nll, mlp1 sse none has the best mean: ")


def test_every_hole_is_named_with_its_reason() -> None:
    trials = frames()[0]
    told = unfinished(trials, ["encoder", "loss", "transform"])
    assert [line.split(":")[0] for line in told] == ["failed", "missing", "pruned"]
    assert "diverged" in told[0]


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_the_table_fits_a_terminal(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    trials, curves = frames()
    print_answer(answer("x", trials), curves)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns
    text = "\n".join(lines)
    assert "4/5" in text
    if columns >= 80:
        assert "▁" in text
        assert "≈ best" in text or "= best" in text or "best" in text


def test_sparklines() -> None:
    assert sparkline([1, 2, 3]) == "▁▅█" or sparkline([1, 2, 3]) == "▁▄█"
    assert sparkline([5, 5]) == "▁▁"
    assert len(sparkline(list(range(100)))) == 8
    assert sparkline([]) == ""


# ----------------------------------------------------------------------------- HTML


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    trials, curves = frames()
    findings = answer("a <b>name</b>", trials)
    rng = np.random.default_rng(0)
    sample_grids = {
        i: rng.integers(0, 256, (150, 242), dtype=np.uint8) for i in set(trials["configuration_id"])
    }
    links = {run_id: f"http://127.0.0.1:5000/#/{run_id}" for run_id in trials["run_id"]}
    facts = [("sweep", "python sweep.py " + "x" * 300)]
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(findings, curves, sample_grids, links, facts))
    return path


def test_the_page_needs_no_network_and_trusts_no_name(page: Path) -> None:
    text = page.read_text()
    assert not re.search(r"""(src|href)=["'](?!data:|http://127\.0\.0\.1|#)""", text)
    assert "@import" not in text
    assert "<script>alert" not in text
    assert "<b>name</b>" not in text
    assert text.count("<svg") >= 8


def test_what_stands_above_a_table_is_of_the_data_and_the_metric() -> None:
    trials = frames()[0]
    gray = answer("x", trials.assign(yardstick="bernoulli 1 × 28 × 28"))
    assert "same binarised pixels of the test images of mnist, in nats" in of_yardstick(gray)
    assert "lower is better" in of_yardstick(gray)
    assert of_metric(gray).startswith(
        "return of the validation images of mnist, in nats per image; h"
    )
    assert "With other loss and transform it measures something else" in of_metric(gray)
    shapes = trials["transform"].map({"none": "3 × 32 × 32", "grayscale": "1 × 32 × 32"})
    colour = trials.assign(dataset="cifar10", yardstick="discretised " + shapes)
    photographs = answer("x", colour, "test/kl")
    assert "same 8-bit values of the test images of cifar10" in of_yardstick(photographs)
    assert "does not rank across groups of other pixels" in of_yardstick(photographs)
    assert "; lower is better." in of_metric(photographs)
    page = render(photographs, frames()[1], {}, {}, [])
    assert "digits" not in page
    assert "igher is better" not in page
    assert "<h2>test/kl</h2>" in page
    alone = render(answer("x", trials, "test/nll"), frames()[1], {}, {}, [])
    assert "<h2>test/nll" not in alone, "that table would be there twice"


def test_single_seeds_are_drawn_beside_their_mean() -> None:
    trials, curves = frames()
    one = trials["configuration_id"].iloc[-1]
    alone = answer("x", trials[trials["configuration_id"] == one])
    ((_, svg),) = learning_curves(alone, curves[curves["configuration_id"] == one])
    assert svg.count("stroke-opacity: 0.5") + svg.count('stroke-opacity="0.5"') == 5
    assert "FillBetween" in svg
    two = curves[(curves["configuration_id"] == one) & (curves["seed"] < 2)]
    ((_, svg),) = learning_curves(alone, two)
    assert "FillBetween" not in svg


def test_survivors_are_neither_best_nor_champion(workspace: Workspace) -> None:
    """ray#31276, aideml#96: of three seeds, one that is left with the best number of all, and one
    that finished without a number. Issue 14, item 2.
    """
    diverged = ("diverged: the loss of epoch 2 is not finite", "")
    failures = {(RATES[0], 0): diverged, (RATES[0], 1): diverged}
    uri = write(workspace.folder, seeds=range(3), failures=failures)
    trials = load_trials("tiny", uri)
    first = trials[(trials["lr"] == RATES[1]) & (trials["seed"] == 0)].iloc[0]
    MlflowClient(uri).log_metric(first["run_id"], "test/nll", math.nan, step=1)
    MlflowClient(uri).log_metric(first["run_id"], "val/nll", math.nan, step=1)
    done = workspace.run("analyze.py", "tiny", "--out", "report")
    table = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if "/3" in line}
    assert [(label, cells[0]) for label, cells in table.items()] == [
        ("lr=0.0001", "3/3"), ("lr=0.001", "1/3"), ("lr=0.0005", "2/3"),
    ]  # fmt: skip
    said = " ".join(done.stdout.split())
    assert "failed: lr=0.0005 s0: diverged: test/nll is not finite" in said.replace(
        "val/nll", "test/nll"
    )
    assert "By test/nll, lr=0.0001 has the best mean" in said
    assert "a better mean over the seeds that did not fail, and cannot" in said
    assert (
        best_of_experiment("tiny", uri).run.tags["configuration_id"]
        == (trials[trials["lr"] == RATES[2]].iloc[0]["configuration_id"])
    )


def test_names_are_no_mathematics_to_the_charts() -> None:
    """planemo#1643: between two dollars matplotlib reads formulas, and ends at what is none."""
    trials, curves = frames()
    trials["encoder"] = trials["encoder"].replace({"mlp3": "_a$\\frac$.py:E", "mlp1": "$x_1$.py:E"})
    text = render(answer("x", trials), curves, {}, {}, [])
    assert text.count("_a$\\frac$.py:E sse none") > text.count("_a$\\frac$.py:E sse none</td>") + 2
    assert "$x_1$.py:E bce none" in text


PROBE = """
<script>
const errors = [];
addEventListener("error", (event) => errors.push(String(event.message)));
addEventListener("load", () => {
  const table = document.querySelector("table.sortable");
  const heads = [...table.tHead.rows[0].cells];
  const column = heads.findIndex((cell) => cell.innerText.startsWith("test/nll"));
  const head = heads[column];
  const values = () => [...table.tBodies[0].rows].map((row) => row.cells[column].dataset.value);
  head.querySelector("button").click();
  const up = values();
  head.querySelector("button").click();
  const down = values();
  const sorted = (list) => list.every((v, i) => !i || v === "" || Number(list[i - 1]) <= v);
  const result = {
    errors,
    up: sorted(up), down: sorted([...down].reverse().filter((v) => v !== "")),
    moved: up.join() !== down.join(),
    images: [...document.images].every((image) => image.complete && image.naturalWidth > 0),
    nImages: document.images.length,
    fills: Math.min(...[...document.querySelectorAll("figure.wide")].map((f) =>
      f.querySelector("svg").getBoundingClientRect().width / f.getBoundingClientRect().width)),
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  };
  const out = document.createElement("pre");
  out.id = "probe";
  out.textContent = JSON.stringify(result);
  document.body.append(out);
});
</script>
"""


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_in_a_browser(page: Path, width: int, tmp_path: Path) -> None:
    """Every picture is loaded, no error is thrown, the sort works, nothing overflows."""
    import json

    probed = tmp_path / "probed.html"
    probed.write_text(page.read_text().replace("<head>", "<head>" + PROBE))
    # Chromium's window is never narrower than 500 pixels; a frame is.
    frame = tmp_path / "frame.html"
    frame.write_text(
        f'<iframe id="f" src="probed.html" width="{width}" height="900"></iframe><script>'
        "addEventListener('load', () => setTimeout(() => { document.title = 'done';"
        "document.body.append(f.contentDocument.getElementById('probe')); }, 0));</script>"
    )
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--allow-file-access-from-files", f"--user-data-dir={tmp_path / 'p'}",
            "--window-size=1400,1000", "--virtual-time-budget=10000", "--dump-dom",
            frame.as_uri(),
        ],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    match = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert match, done.stdout[-2000:] + done.stderr[-2000:]
    result = json.loads(match[1])
    assert result["errors"] == []
    assert result["up"]
    assert result["down"]
    assert result["moved"]
    assert result["images"]
    assert result["nImages"] == 8
    assert result["overflow"] <= 0
    assert result["fills"] > 0.99
