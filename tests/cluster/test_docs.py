"""Every command of docs/clusters.md, as it is printed; what differs is in the environment."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import pytest

from tests.cluster.postgres import PASSWORD, as_nobody, binaries, free_port, unprivileged
from tests.cluster.slurm import Slurm
from tests.conftest import REPOSITORY, TINY, environment

pytestmark = pytest.mark.cluster

TEXT = (REPOSITORY / "docs" / "clusters.md").read_text(encoding="utf-8")
BLOCKS = {
    name: re.sub("^ +", "", text, flags=re.MULTILINE)
    for name, text in re.findall(r"```sh (\w+)\n(.*?)```", TEXT, re.DOTALL)
}
SETTINGS = "".join(re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL))
STUDY = """
name: study
dataset: mnist5k
study: {trials: 2, space: {lr: {low: 0.001, high: 0.01}}}
seeds: 1
fixed: {epochs: 1, hidden_dim: 16}
pictures: {every: 0}
"""


def test_every_variable_is_explained() -> None:
    used = set(re.findall(r"\$(\w+)", "".join(BLOCKS.values())))
    set_there = set(re.findall(r"(\w+)=", SETTINGS))
    assert {name for name in used if not name.startswith("SLURM_")} <= set_there | {"EXPERIMENT"}


class Shell:
    """Runs blocks in a folder; what runs on is ended with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._left: list[Popen[bytes]] = []
        path = f"{Path(sys.executable).parent}:{binaries()}:{os.environ['PATH']}"
        self.environment = environment() | {
            "HEAD": "127.0.0.2", "PGHOST": "127.0.0.1", "PGUSER": "sweeps", "PATH": path,
            "PGPORT": str(free_port()), "MLFLOW_PORT": str(free_port()),
            "RAY_PORT": str(free_port()), "PGDATA": str(folder / "postgres" / "data"),
            "PGPASSFILE": str(folder / "pgpass"), "ARTIFACTS": str(folder / "artifacts"),
            "CHECKPOINTS": str(folder / "checkpoints"), "DATABASE": str(folder / "mlflow.db"),
            "PYTHONPATH": str(REPOSITORY), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }  # fmt: skip
        passwords = folder / "pgpass"
        passwords.write_text(f"*:*:*:sweeps:{PASSWORD}\n")
        passwords.chmod(0o600)
        (folder / "postgres").mkdir()
        if user := unprivileged():
            for owned in (passwords, folder / "postgres"):
                shutil.chown(owned, user)

    def run(self, block: str, prefix: tuple[str, ...] = (), **variables: str) -> str:
        done = subprocess.run(
            [*prefix, "bash", "-ec", BLOCKS[block]],
            cwd=self.folder, env=self.environment | variables, capture_output=True, text=True,
            timeout=300, input=f"{PASSWORD}\n{PASSWORD}\n",
            start_new_session=True,  # without a terminal, on which initdb would ask
        )  # fmt: skip
        print(done.stderr)
        assert done.returncode == 0
        return done.stdout + done.stderr

    def start(self, block: str, **variables: str) -> Path:
        """Returns the file that it writes to."""
        log = self.folder / f"{block}.log"
        with log.open("wb") as output:
            process = Popen(
                ["bash", "-ec", BLOCKS[block]], cwd=self.folder, stdout=output, stderr=output,
                env=self.environment | variables, start_new_session=True,
            )  # fmt: skip
        self._left.append(process)
        return log

    def submit(self, block: str, *options: str, **variables: str) -> str:
        """Have Slurm run the block as a script; options go before what is printed in it."""
        (self.folder / block).write_text(BLOCKS[block])
        subprocess.run(
            ["sbatch", "--wait", f"--output={block}-%a.txt", *options, block],
            cwd=self.folder, env=self.environment | variables, check=True, timeout=480,
        )  # fmt: skip
        said = "".join(log.read_text() for log in sorted(self.folder.glob(f"{block}-*.txt")))
        print(said)
        return said

    def wait_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not condition():
            assert all(process.poll() is None for process in self._left)
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def end(self) -> None:
        for process in reversed(self._left):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._left:
            process.wait(timeout=60)
        for log in self.folder.glob("*.log"):
            print(f"--- {log.name}\n{log.read_text()[-2000:]}")


@pytest.fixture
def shell() -> Iterator[Shell]:
    folder = Path(tempfile.mkdtemp(prefix="docs-"))  # where PostgreSQL's user may go, too
    folder.chmod(0o755)
    (folder / "x.yaml").write_text(TINY)
    (folder / "y.yaml").write_text(TINY.replace("tiny", "sharded"))
    (folder / "study.yaml").write_text(STUDY)
    for script in ("sweep.py", "analyze.py"):
        (folder / script).symlink_to(REPOSITORY / script)
    shell = Shell(folder)
    try:
        yield shell
    finally:
        shell.end()
        if (folder / "postgres" / "data").exists():
            stop_postgres(shell)
        shutil.rmtree(folder)


def stop_postgres(shell: Shell) -> None:
    stop = ["pg_ctl", "-D", shell.environment["PGDATA"], "-m", "immediate", "stop"]
    subprocess.run([*as_nobody(), *stop], env=shell.environment, cwd=shell.folder)


def answers(shell: Shell) -> bool:
    address = f"http://{shell.environment['HEAD']}:{shell.environment['MLFLOW_PORT']}/health"
    code = f"import urllib.request; urllib.request.urlopen('{address}', timeout=2)"
    return subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def n_finished(said: str) -> int:
    return sum(int(n) for n in re.findall(r"^(\d+) trials? finished", said, re.MULTILINE))


def test_from_nothing_to_a_sweep_on_two_nodes(shell: Shell) -> None:
    shell.run("database", as_nobody())
    shell.start("server")
    started = [shell.start("head")]
    shell.wait_until(lambda: "Ray runtime started" in started[0].read_text())
    started.append(shell.start("node"))
    shell.wait_until(lambda: "Ray runtime started" in started[1].read_text())
    shell.wait_until(lambda: answers(shell))
    assert n_finished(shell.run("sweep", EXPERIMENT="x.yaml")) == 8
    assert n_finished(shell.run("sweep", EXPERIMENT="study.yaml")) == 2
    assert shell.run("report", EXPERIMENT="x.yaml").count(" 2/2 ") == 4


@pytest.mark.slurm
def test_on_slurm(slurm: Slurm, shell: Shell) -> None:
    shell.start("slurm_server")
    shell.wait_until(lambda: answers(shell))
    assert n_finished(shell.run("slurm_sweep", EXPERIMENT="x.yaml")) == 8
    assert shell.run("slurm_report", EXPERIMENT="x.yaml").count(" 2/2 ") == 4
    assert n_finished(shell.submit("slurm_job", EXPERIMENT="study.yaml")) == 2
    shards = ("--array=1-2", "--cpus-per-task=1")
    assert n_finished(shell.submit("slurm", *shards, EXPERIMENT="y.yaml")) == 8
    assert slurm.jobs() == []
