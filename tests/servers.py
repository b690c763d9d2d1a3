"""A real `mlflow server` on loopback that can be killed and brought back."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path


class MlflowServer:
    """A database behind it, artifacts through it, one port for all of its lives."""

    def __init__(
        self, folder: Path, backend: str | None = None, serves_artifacts: bool = True
    ) -> None:
        """Make a server; it has to be started.

        Args:
            backend: the address of its database; by default a SQLite file
            serves_artifacts: or else clients are told its folder, to write there themselves
        """
        self.folder = folder
        self._artifacts = ["--artifacts-destination"]
        if not serves_artifacts:
            self._artifacts = ["--no-serve-artifacts", "--default-artifact-root"]
        self.backend = backend or f"sqlite:///{self.database}"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def database(self) -> Path:
        return self.folder / "server.db"

    def start(self) -> None:
        with (self.folder / "server.log").open("a") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable, "-m", "mlflow", "server",
                    "--backend-store-uri", self.backend,
                    *self._artifacts, str(self.folder / "served"),
                    "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1",
                ],
                stdout=log, stderr=log, start_new_session=True,
                # A dozen more processes, which nobody here has a job for.
                env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            )  # fmt: skip
        deadline = time.monotonic() + 120
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "server.log").read_text()
            assert time.monotonic() < deadline, "the server does not come up"
            time.sleep(0.1)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=1):  # noqa: S310
                return True
        except (OSError, urllib.error.URLError):
            return False

    def kill(self) -> None:
        """SIGKILL to all of its processes."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=30)
