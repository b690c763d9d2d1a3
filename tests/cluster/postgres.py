"""A real PostgreSQL on loopback, in a folder of its own, that can be killed and brought back."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

PASSWORD = "geheim-7"  # noqa: S105 - of a database that lives as long as a test


def binaries() -> Path | None:
    """The folder of the newest PostgreSQL that is installed; Debian does not put it on PATH."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).parent
    found = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((p.parent for p in found), key=lambda p: float(p.parent.name), default=None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def unprivileged() -> str | None:
    """PostgreSQL refuses to run as root; None for whoever is not."""
    if os.geteuid() != 0:
        return None
    return "postgres" if "postgres" in {user.pw_name for user in pwd.getpwall()} else "nobody"


def as_nobody() -> tuple[str, ...]:
    """What to put in front of a command that root must not run."""
    user = unprivileged()
    if user is None:
        return ()
    group = str(pwd.getpwnam(user).pw_gid)
    return ("setpriv", "--reuid", user, "--regid", group, "--clear-groups")


class Postgres:
    """Passwords are asked for on TCP; the socket in the folder is for nobody else to find."""

    def __init__(self) -> None:
        # Not pytest's folder, through which another user may not pass.
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self.port = free_port()
        if user := unprivileged():
            shutil.chown(self.folder, user)
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run(
            "initdb", "--username=sweeps", "--auth=scram-sha-256", "--no-sync", "--encoding=UTF8",
            f"--pwfile={secret}", str(self.data),
        )  # fmt: skip

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def uri(self, database: str = "postgres", user: str = f"sweeps:{PASSWORD}") -> str:
        """Args: user: may do without a password"""
        return f"postgresql+psycopg2://{user}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        options = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self.data), "-w", "-l", log, "-o", options, "start")

    def create(self, database: str) -> str:
        """Returns the new database's address."""
        import psycopg2

        connection = psycopg2.connect(self.uri().replace("+psycopg2", ""))
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {database}")
        connection.close()
        return self.uri(database)

    def kill(self) -> None:
        """Without a word to its clients."""
        self._run("pg_ctl", "-D", str(self.data), "-m", "immediate", "-w", "stop")

    def remove(self) -> None:
        if (self.data / "postmaster.pid").exists():
            self.kill()
        shutil.rmtree(self.folder)

    def _run(self, command: str, *arguments: str) -> None:
        folder = binaries()
        assert folder is not None
        subprocess.run(
            [*as_nobody(), str(folder / command), *arguments],
            check=True, cwd=self.folder, stdout=subprocess.DEVNULL,
        )  # fmt: skip
