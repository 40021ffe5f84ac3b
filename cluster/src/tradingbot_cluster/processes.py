"""Start daemons that outlive this command, and find and stop exactly these again.

A process is recorded by itself before it becomes the daemon: a shell writes its own line of /proc/self/stat, which
holds its pid and its start time, beside the boot's id, and then replaces itself by the daemon, which keeps both.
So there is no moment in which a daemon runs unrecorded, and a pid that was given to somebody else later does not
match its start time, or its boot.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tradingbot_cluster.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_LAUNCHER: Final = (
    "record=$1; shift; read -r line < /proc/$$/stat; read -r boot < /proc/sys/kernel/random/boot_id; "
    'printf "%s\\n%s\\n" "$line" "$boot" > "$record.new" && mv "$record.new" "$record" && exec "$@"'
)


@dataclass(frozen=True)
class Process:
    """One process of this machine's present boot, told from every other by its start time."""

    pid: int
    start_time: int

    def alive(self) -> bool:
        """Return whether this very process runs (a zombie does not)."""
        fields = _stat_fields(self.pid)
        return fields is not None and fields[0] not in {"Z", "X"} and int(fields[19]) == self.start_time

    def rss_bytes(self) -> int:
        """Return its resident memory, 0 when it has ended."""
        fields = _stat_fields(self.pid)
        return int(fields[21]) * os.sysconf("SC_PAGE_SIZE") if fields is not None and self.alive() else 0

    def send(self, number: signal.Signals) -> None:
        """Send a signal to this very process, nobody else."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if self.alive():
                signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return
        finally:
            os.close(descriptor)


def _stat_fields(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat that follow the command's name: the state is the first."""
    try:
        return parse_stat(Path(f"/proc/{pid}/stat").read_text())[1]
    except (FileNotFoundError, ProcessLookupError):
        return None


def parse_stat(line: str) -> tuple[int, list[str]]:
    """Split a line of /proc/PID/stat into the pid and the fields after the name, which may hold blanks and brackets."""
    head, _, tail = line.rpartition(")")
    return int(head.split("(", 1)[0]), tail.split()


def describe(pid: int) -> Process | None:
    """Return the process that has this pid now."""
    fields = _stat_fields(pid)
    return Process(pid, int(fields[19])) if fields is not None else None


def parse_record(content: str, boot_id: str) -> Process | None:
    """Return the recorded process, or None for a torn record or one of an earlier boot."""
    lines = content.splitlines()
    if len(lines) < 2 or lines[1].strip() != boot_id:
        return None
    try:
        pid, fields = parse_stat(lines[0])
        return Process(pid, int(fields[19]))
    except (ValueError, IndexError):
        return None


def recorded(record: Path) -> Process | None:
    """Return the live process of a record."""
    try:
        content = record.read_text()
    except FileNotFoundError:
        return None
    process = parse_record(content, BOOT_ID.read_text().strip())
    return process if process is not None and process.alive() else None


def start(record: Path, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> Process:
    """Start a daemon in a session of its own, logging to `log`, recorded in `record` from its first moment."""
    record.parent.mkdir(parents=True, exist_ok=True)
    record.unlink(missing_ok=True)
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(Path.home()), **(env or {})}
    with log.open("ab") as stream:
        child = subprocess.Popen(
            ["/bin/sh", "-c", _LAUNCHER, "launch", str(record), *argv],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            cwd="/",
            env=environment,
        )
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        process = recorded(record)
        if process is not None:
            child.returncode = 0  # it is meant to outlive this object
            return process
        if child.poll() is not None:
            break
        time.sleep(0.005)
    raise ClusterError(f"{argv[0]} ended at its start, see {log}")


def stop(process: Process, term_seconds: float = 10.0) -> None:
    """End a process: SIGTERM, a bounded wait, SIGKILL."""
    process.send(signal.SIGTERM)
    if wait_ended(process, term_seconds):
        return
    process.send(signal.SIGKILL)
    if not wait_ended(process, 10.0):
        raise ClusterError(f"process {process.pid} did not end on SIGKILL: it hangs in the kernel")


def wait_ended(process: Process, seconds: float) -> bool:
    """Wait until a process has ended; return whether it did."""
    deadline = time.monotonic() + seconds
    while process.alive():
        if time.monotonic() > deadline:
            return False
        with contextlib.suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)  # a child of this very command would stay as a zombie
        time.sleep(0.02)
    return True


def stop_recorded(record: Path, term_seconds: float = 10.0) -> bool:
    """End the process of a record and remove the record; return whether it was running."""
    process = recorded(record)
    if process is not None:
        stop(process, term_seconds)
    record.unlink(missing_ok=True)
    return process is not None
