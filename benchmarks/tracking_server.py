"""What a tracking server carries: python -m benchmarks.tracking_server --tracking-uri URI

Clients say what trials say, as fast as the server answers, and nothing is trained. Three rates
come of it: trials opened and closed, epochs logged and pictures logged, all in one second. They
are written into the experiment `benchmark`, which can be deleted afterwards.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat

import numpy as np

from experiments.cli import Parser, positive_int, positive_seconds, run_command
from experiments.tracking.provenance import Provenance
from experiments.tracking.reachable import check_reachable
from experiments.tracking.trial_writer import TrialWriter
from experiments.tracking.uris import default_uri
from experiments.tracking.writer import ExperimentWriter
from vae.configuration import Configuration, Trial

EPOCH_METRICS = (
    "train/loss", "train/reconstruction", "train/kl", "val/loss", "val/reconstruction",
    "val/kl", "val/return", "epoch_seconds", "images_per_second",
)  # fmt: skip
FINAL_METRICS = dict.fromkeys(["return", "best_epoch", "test/return", "test/nll"], 1.0)
TRIAL = Trial(configuration=Configuration(dataset="mnist5k"), seed=0)
CODE = Provenance("", "", "python -m benchmarks.tracking_server", {})
UTILISATION = 0.5
"""Of what a server can do at most: half is left for whoever looks at the runs."""


class Client:
    """One worker's connection, with a run open."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._tracker = ExperimentWriter.create(uri, "benchmark")
        self._epoch = 0
        self.open_and_close()

    def open_and_close(self) -> None:
        """A trial without its epochs, as the parent and its worker track it."""
        run_id = self._tracker.create_trial_run(TRIAL, "benchmark", "none", CODE)
        self._tracker.describe_trial(run_id, TRIAL, "0" * 16, "data", CODE)
        self._log = TrialWriter(self._uri, run_id)
        self._log.finish(FINAL_METRICS)

    def log_epoch(self) -> None:
        self._epoch += 1
        self._log.log_epoch(self._epoch, dict.fromkeys(EPOCH_METRICS, 0.5))

    def log_image(self) -> None:
        self._epoch += 1
        self._log.log_image("samples", np.zeros((300, 300), np.uint8), self._epoch)


def rate(uri: str, what: str, seconds: float, begin: float) -> float:
    """How often a second one client does `what`; all begin at the same moment."""
    client = Client(uri)
    act: Callable[[], None] = getattr(client, what)
    act()
    time.sleep(max(0.0, begin - time.time()))
    n, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        act()
        n += 1
    return n / (time.perf_counter() - started)


def rates(uri: str, n_clients: int, seconds: float) -> dict[str, float]:
    """A second, over all clients: trials, epochs and pictures."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(n_clients, mp_context=context) as pool:
        list(pool.map(Client, repeat(uri, n_clients)))  # imports, and connects
        found = {}
        for what in ("open_and_close", "log_epoch", "log_image"):
            begin = time.time() + 3
            arguments = (repeat(x, n_clients) for x in (uri, what, seconds, begin))
            found[what] = sum(pool.map(rate, *arguments))
        return found


def workers(of_server: dict[str, float], n_epochs: int, n_pictures: int, seconds: float) -> int:
    """How many workers with trials of that length keep a server busy half of the time.

    A trial costs the server 1/trials + epochs/(epochs a second) + pictures/(pictures a second)
    seconds, and gives it `seconds` time for that.
    """
    cost = (
        1 / of_server["open_and_close"]
        + n_epochs / of_server["log_epoch"]
        + n_pictures / of_server["log_image"]
    )
    return int(UTILISATION * seconds / cost)


def main() -> int:
    arguments = _parser().parse_args()
    check_reachable(arguments.tracking_uri)
    ExperimentWriter.create(arguments.tracking_uri, "benchmark")
    print(f"{os.cpu_count()} CPU cores for server, database and clients together\n")
    print("| clients | trials/s | epochs/s | metrics/s | pictures/s |")
    print("|---|---|---|---|---|")
    best: dict[str, float] = {}
    for n_clients in arguments.clients:
        found = rates(arguments.tracking_uri, n_clients, arguments.seconds)
        best = {what: max(value, best.get(what, 0.0)) for what, value in found.items()}
        trials, epochs, pictures = found.values()
        n_metrics = epochs * len(EPOCH_METRICS)
        print(f"| {n_clients} | {trials:.1f} | {epochs:.0f} | {n_metrics:.0f} | {pictures:.1f} |")
    print("\n| a trial takes | epochs | pictures | workers |\n|---|---|---|---|")
    for told, n_epochs, n_pictures, seconds in (
        ("10 s", 5, 0, 10), ("1 min", 15, 6, 60), ("10 min", 50, 10, 600), ("2 h", 100, 20, 7200),
    ):  # fmt: skip
        n = workers(best, n_epochs, n_pictures, seconds)
        print(f"| {told} | {n_epochs} | {n_pictures} | {n:,} |")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Parser(__doc__)
    add = parser.add_argument
    add("--tracking-uri", default=default_uri(), metavar="URI")
    add("--clients", type=positive_int, nargs="+", default=[1, 2, 4], metavar="N")
    add("--seconds", type=positive_seconds, default=10.0, help="of each measurement")
    return parser


if __name__ == "__main__":
    run_command(main)
