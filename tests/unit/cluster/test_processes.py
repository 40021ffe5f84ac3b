"""Only processes that were started here are stopped, also after their pid went to somebody else."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tradingbot_cluster.errors import ClusterError
from tradingbot_cluster.processes import (
    BOOT_ID,
    Process,
    describe,
    parse_record,
    parse_stat,
    recorded,
    start,
    stop,
    stop_recorded,
)

STAT = "4242 (strange ) name (x) S 1 4242 4242 0 -1 4194560 1 0 0 0 5 6 0 0 20 0 1 0 987654 1000 250 184467 1 1"
SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")
STUBBORN = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
)


def test_stat_of_a_strange_name() -> None:
    pid, fields = parse_stat(STAT)
    assert (pid, fields[0], fields[19], fields[21]) == (4242, "S", "987654", "250")


def test_record_of_this_boot() -> None:
    assert parse_record(f"{STAT}\nboot\n", "boot") == Process(4242, 987654)


@pytest.mark.parametrize("content", ["", "4242", STAT, f"{STAT}\nother\n", "4242 (x) S\nboot\n", "garbage\nboot\n"])
def test_record_that_is_torn_or_of_another_boot(content: str) -> None:
    assert parse_record(content, "boot") is None


def test_started_recorded_stopped(tmp_path: Path) -> None:
    record, log = tmp_path / "record", tmp_path / "log"
    process = start(record, SLEEP, log, {"GREETING": "hello"})
    assert process.alive()
    assert process.rss_bytes() > 0
    assert recorded(record) == process
    assert os.getsid(process.pid) == process.pid, "it would end with this terminal"
    assert b"GREETING=hello" in Path(f"/proc/{process.pid}/environ").read_bytes()
    assert stop_recorded(record)
    assert not process.alive()
    assert not record.exists()
    assert not stop_recorded(record)


def test_a_deaf_process_is_killed_after_a_bounded_wait(tmp_path: Path) -> None:
    record, log = tmp_path / "record", tmp_path / "log"
    process = start(record, STUBBORN, log)
    while "deaf" not in log.read_text():
        time.sleep(0.01)
    stop(process, term_seconds=0.3)
    assert not process.alive()


def test_a_pid_that_went_to_somebody_else_is_left_alone(tmp_path: Path) -> None:
    with subprocess.Popen(SLEEP) as stranger:
        real = describe(stranger.pid)
        assert real is not None
        line = Path(f"/proc/{stranger.pid}/stat").read_text().strip()
        boot = BOOT_ID.read_text().strip()
        record = tmp_path / "record"
        record.write_text(f"{line.replace(f' {real.start_time} ', f' {real.start_time - 1} ')}\n{boot}\n")
        assert recorded(record) is None
        assert not stop_recorded(record)
        stop(Process(stranger.pid, real.start_time - 1))
        assert real.alive()
        stranger.kill()


def test_a_program_that_cannot_start_is_named(tmp_path: Path) -> None:
    with contextlib.suppress(ClusterError):  # it may be seen before it ends, or not
        process = start(tmp_path / "record", ["/no/such/program"], tmp_path / "log")
        while process.alive():
            time.sleep(0.01)
    assert "not found" in (tmp_path / "log").read_text()


def test_a_record_that_cannot_be_written_starts_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    with pytest.raises((ClusterError, OSError)):
        start(Path("/proc/none/record"), ["/bin/sh", "-c", f"touch {marker}"], tmp_path / "log")
    assert not marker.exists()
