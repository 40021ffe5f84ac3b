"""A private PostgreSQL server from the installed binaries: own data directory, loopback only, stopped by its pid.

Used by tests and by hand (`python -m tests.support.postgresql`). Never an existing server, never a shared one.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.ports import free_port
from tests.support.waiting import ANSWER_SECONDS, PATIENCE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

UNPRIVILEGED = ("postgres", "nobody")
PASSWORD = "private"


class MissingError(RuntimeError):
    """PostgreSQL is not installed."""


def binaries() -> Path:
    """Return the folder with initdb and postgres: `POSTGRESQL_BIN`, else that of the newest installed version."""
    if os.environ.get("POSTGRESQL_BIN"):
        return Path(os.environ["POSTGRESQL_BIN"])
    folders = list(Path("/usr/lib/postgresql").glob("*/bin"))
    folders.sort(key=lambda path: [int(number) for number in re.findall(r"\d+", path.parent.name)], reverse=True)
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        done = subprocess.run(["pg_config", "--bindir"], capture_output=True, text=True, check=True)
        folders.append(Path(done.stdout.strip()))
    found = shutil.which("postgres")
    if found:
        folders.append(Path(found).resolve().parent)
    for folder in folders:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise MissingError("PostgreSQL is not installed: apt-get install -y postgresql (or: brew install postgresql)")


class Server:
    """One server. `stop` and `start` again keep the data, as a crash and a restart would.

    It waits for the disk only where it is `durable`. What the operating system was given outlives every death of the
    server; a machine that loses its power is not tried here.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self._durable = durable
        self.folder = Path(tempfile.mkdtemp(prefix="tradingbot-pg-"))
        self.port = free_port()
        self._bin = binaries()
        self._user = self._unprivileged()
        self._process: subprocess.Popen[bytes] | None = None
        self._initialise()

    @staticmethod
    def _unprivileged() -> pwd.struct_passwd | None:
        """PostgreSQL refuses to run as root, so root lends it another user."""
        if os.geteuid() != 0:
            return None
        for name in UNPRIVILEGED:
            with contextlib.suppress(KeyError):
                return pwd.getpwnam(name)
        raise MissingError(f"root needs one of the users {', '.join(UNPRIVILEGED)} to run PostgreSQL")

    def _become(self) -> dict[str, object]:
        if self._user is None:
            return {}
        return {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []}

    def _initialise(self) -> None:
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        if self._user is not None:
            for path in (self.folder, secret):
                os.chown(path, self._user.pw_uid, self._user.pw_gid)
        command = [
            str(self._bin / "initdb"),
            "--pgdata", str(self.data),
            "--username", "bot",
            "--pwfile", str(secret),
            "--auth", "scram-sha-256",
            "--encoding", "UTF8",
            "--locale", "C",
            "--no-sync",
            "--no-instructions",
        ]  # fmt: skip
        environment = {**os.environ, "LC_ALL": "C"}
        done = subprocess.run(
            command,
            check=False,
            cwd=self.folder,
            capture_output=True,
            text=True,
            env=environment,
            **self._become(),  # type: ignore[call-overload]
        )
        if done.returncode:
            raise RuntimeError(f"initdb failed: {done.stdout}{done.stderr}")

    @property
    def data(self) -> Path:
        """Return the data directory."""
        return self.folder / "data"

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database."""
        return f"postgresql://bot:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start, and wait until connections are accepted."""
        log = (self.folder / "log").open("ab")
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "shared_buffers": "32MB",
            "max_connections": "60",
            "logging_collector": "off",
        }
        if not self._durable:
            settings |= {"fsync": "off", "full_page_writes": "off"}
        if list(
            (self._bin.parents[3] / "share").glob(f"postgresql/{self._bin.parent.name}/extension/timescaledb.control")
        ):
            settings |= {"shared_preload_libraries": "timescaledb", "timescaledb.telemetry_level": "off"}
        arguments = [item for name, value in settings.items() for item in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            [str(self._bin / "postgres"), "-D", str(self.data), *arguments],
            cwd=self.folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
            **self._become(),  # type: ignore[call-overload]
        )
        log.close()
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise RuntimeError(f"PostgreSQL ended at once: {(self.folder / 'log').read_text()[-2000:]}")
            with contextlib.suppress(FileNotFoundError):
                # One that was killed has left its own there.
                words = (self.data / "postmaster.pid").read_text().split()
                if words[:1] == [str(self._process.pid)] and words[-1] == "ready":
                    return
            time.sleep(0.05)
        raise RuntimeError(f"PostgreSQL did not start within {PATIENCE_SECONDS:.0f} s")

    def stop(self, *, hard: bool = False) -> None:
        """Stop by pid: fast shutdown, or immediate (as a crash)."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGQUIT if hard else signal.SIGINT)
        try:
            process.wait(ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(ANSWER_SECONDS)

    def remove(self) -> None:
        """Stop and delete everything."""
        self.stop(hard=True)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def running(*, durable: bool = False) -> Iterator[Server]:
    """Give a running server, and remove it afterwards. `durable`: as in production, where speed is measured."""
    server = Server(durable=durable)
    try:
        server.start()
        yield server
    finally:
        server.remove()


if __name__ == "__main__":
    # Also as a background job, where a shell has switched SIGINT off.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    with running() as private:
        print(private.url(), flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
