"""Is a component healthy? Each is asked at the address that it has for this question."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tradingbot_cluster.errors import ClusterError
from tradingbot_cluster.processes import recorded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tradingbot_cluster.processes import Process


@dataclass(frozen=True)
class HttpProbe:
    """GET a path of a port of this machine; healthy when the answer is 200."""

    port: int
    path: str
    tls: bool = False

    def __call__(self) -> str:
        """Return "" when healthy, else the reason."""
        connection = self._connection()
        try:
            connection.request("GET", self.path)
            answer = connection.getresponse()
            body = answer.read(4096).decode(errors="replace")
        except (OSError, http.client.HTTPException) as failed:
            return str(failed) or type(failed).__name__
        finally:
            connection.close()
        return "" if answer.status == http.client.OK else f"{answer.status} {failing_checks(body)}".strip()

    def _connection(self) -> http.client.HTTPConnection:
        if not self.tls:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        # A health question carries nothing, and some components answer with a certificate that they made themselves.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=5, context=context)


def failing_checks(body: str) -> str:
    """Return the failing lines of a /readyz answer."""
    failing = [line.removeprefix("[-]") for line in body.splitlines() if line.startswith("[-]")]
    return "; ".join(failing)[:200]


@dataclass(frozen=True)
class SocketProbe:
    """Connect to a unix socket."""

    path: Path

    def __call__(self) -> str:
        """Return "" when healthy, else the reason."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(5)
            try:
                probe.connect(str(self.path))
            except OSError as failed:
                return str(failed)
        return ""


def wait_healthy(
    name: str, probe: Callable[[], str], record: Path, log: Path, seconds: float, update: Callable[[str], None]
) -> None:
    """Wait until a component is healthy; say what it logged when it ends or does not become so."""
    deadline = time.monotonic() + seconds
    while True:
        reason = probe()
        if not reason:
            return
        process: Process | None = recorded(record)
        if process is None:
            raise ClusterError(f"{name} ended:\n{tail(log)}")
        if time.monotonic() > deadline:
            raise ClusterError(f"{name} is not healthy after {seconds:.0f} s ({reason}):\n{tail(log)}")
        update(f"waiting for {name}: {reason}")
        time.sleep(0.1)


def tail(log: Path, lines: int = 15) -> str:
    """Return the last lines of a log."""
    try:
        with log.open("rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - 16384))
            text = stream.read().decode(errors="replace")
    except FileNotFoundError:
        return f"{log} was not written"
    return "\n".join([f"{log}:", *text.splitlines()[-lines:]])
