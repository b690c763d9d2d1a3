"""A real Slurm on this machine: munged, slurmctld and slurmd, on loopback, without systemd."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.postgres import free_port

# A job that is queued again waits for a little longer than `cred_expire`.
DAEMONS = ("munged", "slurmctld", "slurmd")
CONFIGURATION = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
SlurmctldPort={controller_port}
SlurmdPort={node_port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=15
CredType=cred/munge
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,defer_batch
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=5
MinJobAge=300
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=2000 State=UNKNOWN
NodeName=elsewhere NodeAddr=127.0.0.9 CPUs={cpus} RealMemory=2000 State=DOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
PartitionName=urgent Nodes={host} PriorityTier=10 MaxTime=INFINITE State=UP
PartitionName=pair Nodes={host},elsewhere MaxTime=INFINITE State=UP
"""


def missing() -> list[str]:
    """What a machine lacks for it."""
    lacking = [name for name in DAEMONS if _daemon(name) is None]
    if lacking:
        return [f"{', '.join(lacking)} (Debian: slurm-wlm, munge)"]
    return [] if os.geteuid() == 0 else ["to be root"]


def _daemon(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


class Slurm:
    """Its daemons, in a folder of their own."""

    def __init__(self, cpus: int = 2) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        self.folder.chmod(0o755)
        self._processes: list[subprocess.Popen[bytes]] = []
        for name in ("munge", "state", "spool"):
            (self.folder / name).mkdir(mode=0o700)
        self._key = self.folder / "munge" / "key"
        self._key.write_bytes(os.urandom(1024))
        self._key.chmod(0o600)
        self.host = socket.gethostname().partition(".")[0]
        text = CONFIGURATION.format(
            host=self.host, folder=self.folder, cpus=cpus,
            controller_port=free_port(), node_port=free_port(),
        )  # fmt: skip
        self.configuration = self.folder / "slurm.conf"
        self.configuration.write_text(text)

    def start(self) -> None:
        os.environ["SLURM_CONF"] = str(self.configuration)
        munge = self.folder / "munge"
        self._start(
            "munged", "--foreground", "--force", f"--key-file={self._key}",
            f"--socket={munge / 'socket'}", f"--pid-file={munge / 'pid'}",
            f"--log-file={munge / 'log'}", f"--seed-file={munge / 'seed'}",
        )  # fmt: skip
        self._wait(lambda: (munge / "socket").exists())
        self._start("slurmctld", "-D", "-f", str(self.configuration))
        self._start("slurmd", "-D", "-f", str(self.configuration), "-N", self.host)
        self._wait(lambda: "idle" in self.ask("sinfo", "--noheader", "--format=%t"))

    def _start(self, daemon: str, *arguments: str) -> None:
        with (self.folder / f"{daemon}.out").open("wb") as output:
            self._processes.append(
                subprocess.Popen(
                    [_daemon(daemon) or daemon, *arguments],
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            )

    def _wait(self, condition: object) -> None:
        deadline = time.monotonic() + 60
        while not condition():  # type: ignore[operator]
            assert time.monotonic() < deadline, self.said()
            assert all(p.poll() is None for p in self._processes), self.said()
            time.sleep(0.2)

    def said(self) -> str:
        logs = [*self.folder.glob("*.out"), *self.folder.glob("*.log")]
        return "\n".join(f"--- {log.name}\n{log.read_text()[-1500:]}" for log in logs)

    def ask(self, *command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        return done.stdout

    def jobs(self, states: str = "RUNNING,PENDING") -> list[str]:
        return self.ask("squeue", "-h", "-r", f"--states={states}", "--format=%i").split()

    def remove(self) -> None:
        if left := self.jobs():
            self.ask("scancel", *left)
            time.sleep(1)
        os.environ.pop("SLURM_CONF", None)
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
        for process in self._processes:
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def running_slurm() -> Iterator[Slurm]:
    slurm = Slurm()
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.remove()
