"""A real `mlflow server` on loopback that can be killed and brought back, and a gate before it."""

from __future__ import annotations

import base64
import datetime
import http.server
import ipaddress
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from email.message import Message
from pathlib import Path

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


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


class Gate:
    """What stands in front of many MLflow servers: asks for a password, and may speak TLS.

    Attributes:
        locked: it takes the password no more
        read_only: it lets nothing pass that would change something
    """

    PASSWORD = "geheim"  # noqa: S105

    def __init__(
        self, server: str, certificate: Path | None = None, read_only: bool = False
    ) -> None:
        """Open it for user `me`.

        Args:
            certificate: of 127.0.0.1, with its key; by default it speaks plain HTTP
        """
        gate = self
        self.locked, self.read_only = False, read_only
        expected = "Basic " + base64.b64encode(f"me:{self.PASSWORD}".encode()).decode()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, content = 401, b"who are you?"
                if gate.locked or self.headers.get("Authorization") != expected:
                    pass
                elif gate.read_only and "/search" not in self.path and self.command != "GET":
                    status = 403
                    content = b'{"error_code": "PERMISSION_DENIED", "message": "may only look"}'
                else:
                    status, content = _pass_on(server, self.command, self.path, self.headers, body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

            def log_message(self, *_: object) -> None: ...

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            scheme = "https"
        self.uri = f"{scheme}://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Gate:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _pass_on(
    server: str, method: str, path: str, headers: Message, body: bytes
) -> tuple[int, bytes]:
    kept = {k: v for k, v in headers.items() if k.lower() in ("content-type", "range")}
    answer = requests.request(method, server + path, headers=kept, data=body, timeout=60)
    return answer.status_code, answer.content


def self_signed(folder: Path) -> Path:
    """A certificate of 127.0.0.1 that nobody vouches for, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path
