"""The benchmarks' own arithmetic; the figures themselves are for an idle machine."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import peak, report
from benchmarks.data import data_folder
from benchmarks.figures import Figure, ratios, slope
from benchmarks.flops import training_flops
from benchmarks.instrumented import TrialTime
from benchmarks.options import Options
from benchmarks.overhead import overhead_share, seconds_per_trial
from benchmarks.slurm_overhead import SHARE, least
from vae.configuration import Configuration
from vae.data.idx_files import mnist
from vae.data.small_sets import mnist5k

MNIST = (1, 28, 28)


def options(folder: Path) -> Options:
    return Options(quick=True, data_dir=folder, folder=folder)


def test_flops_of_a_fully_connected_network_are_six_per_weight_but_for_the_first_layer() -> None:
    configuration = Configuration(encoder="mlp1", hidden_dim=400, latent_dim=20)
    first, others = 784 * 400, 400 * 40 + 20 * 400 + 400 * 784
    assert training_flops(configuration, MNIST) == 4 * first + 6 * others


def test_flops_of_a_convolution_count_every_place() -> None:
    configuration = Configuration(encoder="conv", decoder="conv", hidden_dim=10, latent_dim=2)
    first = 1 * 32 * 9 * 14 * 14
    encoder = 32 * 64 * 9 * 7 * 7 + 64 * 7 * 7 * 10 + 10 * 4
    # A transposed convolution multiplies at every place of its input.
    decoder = 2 * 10 + 10 * 64 * 7 * 7 + 64 * 32 * 9 * 7 * 7 + 32 * 1 * 9 * 14 * 14
    assert training_flops(configuration, MNIST) == 4 * first + 6 * (encoder + decoder)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 1.5])
def test_slope_finds_the_exponent_of_a_power_law(exponent: float) -> None:
    sizes = [100, 1_000, 10_000]
    assert slope(sizes, [3 * n**exponent for n in sizes]) == pytest.approx(exponent)


def test_a_goal_is_held_against_the_median() -> None:
    assert ratios([2.0, 6.0], [1.0, 2.0]) == [2.0, 3.0]
    assert Figure("row", "what", [1.0, 5.0, 9.0], goal=5.0, at_least=True).met is True
    assert Figure("row", "what", [1.0, 5.0, 9.0], goal=4.0).met is False
    assert Figure("row", "what", [1.0]).met is None
    assert Figure("row", "what", [], goal=1.0, note="not installed").met is None


def test_overhead_is_what_is_left_of_the_time_of_all_workers() -> None:
    times = [
        TrialTime(worker=1, started=0.0, ended=4.0, computing=3.0),
        TrialTime(worker=1, started=6.0, ended=10.0, computing=3.0),
        TrialTime(worker=2, started=1.0, ended=11.0, computing=9.0),
    ]
    assert overhead_share(times) == pytest.approx(1 - 15 / 20)


def test_time_per_trial_leaves_out_a_worker_s_first() -> None:
    starts = [0.0, 50.0, 51.0, 53.0, 54.0]
    times = [TrialTime(1, start, start + 0.5, 0.0) for start in starts]
    assert seconds_per_trial(times) == 1.0


def test_the_table_shows_every_figure_and_its_verdict(tmp_path: Path) -> None:
    figures = [
        Figure("fast", "a ÷ b", [4.0, 5.0, 6.0], goal=4.5, at_least=True),
        Figure("slow", "c ÷ d", [2.0], goal=1.0),
        Figure("absent", "e ÷ f", [], goal=1.0, note="not installed"),
    ]
    text = io.StringIO()
    Console(file=text, width=120).print(report.table(figures))
    fast, slow, absent = (line for line in text.getvalue().splitlines() if "÷" in line)
    assert all(part in fast for part in ("5", "4–6", "≥ 4.5", "met"))
    assert "missed" in slow
    assert "not installed" in absent
    stored = json.loads(report.as_json(figures, options(tmp_path)))
    assert [row["met"] for row in stored["figures"]] == [True, False, None]
    assert stored["machine"]["cores"] >= 1


def test_without_mnist_its_files_are_made_of_the_digits_that_ship(tmp_path: Path) -> None:
    folder = data_folder(tmp_path / "nothing", tmp_path)
    images, digits = mnist(folder), mnist5k(folder)
    assert (images.train[:4000] == digits.train).all()
    assert (images.train[4000:8000] == digits.train).all()


def test_the_peak_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peak, "_MATRIX", 8)
    assert peak._multiply(*peak._matrices(), times=1) > 0


def test_the_least_work_beside_slurm() -> None:
    """Work and overhead together are the worker's time."""
    overhead = 0.5
    assert overhead / (overhead + least(overhead)) == pytest.approx(SHARE)
