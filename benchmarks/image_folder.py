"""A folder of many images: `python -m benchmarks.image_folder [--images N] [--side PIXELS]`.

Told in seconds of this machine and day, not as ratios: how long the first start takes (to read
every file for its digest, and to decode it), how long the second, and how much memory each of four
workers has to itself while they train side by side.
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import TypeVar

import numpy as np

from experiments.cli import Parser, positive_int, run_command
from vae.components.component import Component
from vae.data.datasets import check_dataset, complete, place
from vae.data.decoded import prepare

_N_WORKERS, _N_STEPS, _BATCH = 4, 200, 100


def main() -> int:
    parser = Parser(__doc__)
    parser.add_argument("--images", type=positive_int, default=200_000)
    parser.add_argument("--side", type=positive_int, default=32)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="images-") as name:
        folder, data_dir = Path(name) / "images", Path(name) / "data"
        _timed("generated", lambda: write_images(folder, arguments.images, arguments.side))
        component = _timed("read for the digest", lambda: _named(folder, data_dir))
        _timed("decoded", lambda: prepare(component, data_dir))
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            second = pool.apply(_second_start, (folder, data_dir))
            print(f"second start, in another process: {second:.1f} s")
        print(f"cache: {_megabytes_below(data_dir):.0f} MB")
        for line in _workers(component, data_dir):
            print(line)
    return 0


_Made = TypeVar("_Made")


def _timed(what: str, do: Callable[[], _Made]) -> _Made:
    started = time.perf_counter()
    result = do()
    print(f"{what}: {time.perf_counter() - started:.1f} s", flush=True)
    return result


def write_images(folder: Path, n: int, side: int) -> None:
    """Smooth colour images of several hundred bytes each, as PNG, in ten class folders."""
    from PIL import Image

    source = np.random.RandomState(0)
    for label in range(10):
        (folder / f"class{label}").mkdir(parents=True)

    def write(start: int, seed: int) -> None:
        random = np.random.RandomState(seed)
        for i in range(start, min(start + 1000, n)):
            small = Image.fromarray(random.randint(0, 256, (4, 4, 3)).astype(np.uint8))
            path = folder / f"class{i % 10}" / f"{i:07}.png"
            small.resize((side, side), Image.Resampling.BICUBIC).save(path, compress_level=1)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(write, range(0, n, 1000), source.randint(0, 2**31, (n + 999) // 1000)))


def _named(folder: Path, data_dir: Path) -> Component:
    with place(data_dir):
        return complete(check_dataset(str(folder), Path.cwd()), Path.cwd())


def _second_start(folder: Path, data_dir: Path) -> float:
    """As a sweep starts again: is the folder what it was, and is all of it decoded?"""
    started = time.perf_counter()
    prepare(_named(folder, data_dir), data_dir)
    return time.perf_counter() - started


def _megabytes_below(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20


def _workers(component: Component, data_dir: Path) -> list[str]:
    """What each worker has beyond its imports, at the end of some training steps."""
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(_N_WORKERS), context.Queue()
    given = (component, str(data_dir), barrier, results)
    processes = [context.Process(target=_work, args=given) for _ in range(_N_WORKERS)]
    for process in processes:
        process.start()
    lines = [results.get() for _ in processes]
    for process in processes:
        process.join()
    return lines


def _work(component: Component, data_dir: str, barrier: Barrier, results: Queue[str]) -> None:
    import torch

    from experiments.execution.process import prepare_process
    from vae.components.component import check_component
    from vae.splits import split

    prepare_process()
    before, started = _private_megabytes(), time.perf_counter()
    splits = split(component, check_component("transform", "none"), 5_000, data_dir)
    loaded = time.perf_counter() - started
    order = torch.randperm(len(splits.train))
    barrier.wait()
    for indices in order.split(_BATCH)[:_N_STEPS]:
        splits.train.batch(indices)
    barrier.wait()
    results.put(
        f"worker: opened in {loaded:.3f} s, {_private_megabytes() - before} MB of its own beyond "
        f"{before} MB of imports, after {_N_STEPS * _BATCH} images"
    )


def _private_megabytes() -> int:
    """As `tests.vae.test_splits` counts: not the pages of mapped files, which are the kernel's."""
    text = Path("/proc/self/smaps_rollup").read_text()
    (line,) = (line.split() for line in text.splitlines() if line.startswith("Anonymous:"))
    return int(line[1]) // 1024


if __name__ == "__main__":
    run_command(main)
