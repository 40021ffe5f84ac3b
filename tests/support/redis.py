"""A private Redis server from the installed binary: own folder, loopback only, append-only file, stopped by its pid."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.ports import free_port
from tests.support.waiting import ANSWER_SECONDS, PATIENCE_SECONDS

from tradingbot_cluster.prerequisites import search_path

if TYPE_CHECKING:
    from collections.abc import Iterator


class Server:
    """One server. `stop` and `start` again keep the data."""

    def __init__(self) -> None:
        found = shutil.which("redis-server", path=search_path())
        if found is None:
            raise RuntimeError("Redis is not installed: apt-get install -y redis-server (or: brew install redis)")
        self._program = found
        self.folder = Path(tempfile.mkdtemp(prefix="tradingbot-redis-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Return the URL of database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start, and wait until it says that it is ready."""
        options = {"port": str(self.port), "bind": "127.0.0.1", "dir": str(self.folder), "appendonly": "yes",
                   "appendfsync": "always", "save": ""}  # fmt: skip
        arguments = [item for name, value in options.items() for item in (f"--{name}", value)]
        log = self.folder / "log"
        with log.open("wb") as out:
            self._process = subprocess.Popen([self._program, *arguments], stdout=out, stderr=out)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if "Ready to accept connections" in log.read_text(errors="replace"):
                return
            if self._process.poll() is not None:
                break
            time.sleep(0.02)
        raise RuntimeError(f"Redis did not start: {log.read_text(errors='replace')[-2000:]}")

    def stop(self) -> None:
        """Stop by pid."""
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(ANSWER_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(ANSWER_SECONDS)

    def kill(self, *, forget: bool) -> None:
        """End at once as a lost node does; with `forget`, its disk is lost as well."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(ANSWER_SECONDS)
        if forget:
            shutil.rmtree(self.folder)
            self.folder.mkdir()

    def remove(self) -> None:
        """Stop and delete everything."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def running() -> Iterator[Server]:
    """Give a running server, and remove it afterwards."""
    server = Server()
    try:
        server.start()
        yield server
    finally:
        server.remove()
