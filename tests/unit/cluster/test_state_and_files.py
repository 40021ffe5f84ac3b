"""The record of an instance survives crashes, and the lock ends with its holder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tradingbot_cluster import state as states
from tradingbot_cluster.errors import BusyError, ClusterError, UsageError
from tradingbot_cluster.files import exclusive, read_json, write_atomically, write_if_changed
from tradingbot_cluster.paths import LONGEST_DATA_PATH, Layout
from tradingbot_cluster.state import State

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Layout:
    monkeypatch.setattr("tradingbot_cluster.paths.runtime_base", lambda: tmp_path / "run")
    monkeypatch.setattr("tradingbot_cluster.paths.LONGEST_DATA_PATH", 1000)
    made = Layout.of("default", tmp_path / "state")
    made.prepare()
    return made


FULL = State("default", "local", True, False, False, 3, 7, {"apiserver": 21000}, "/data", "native", {"a/b": "1"})


def test_round_trip(layout: Layout) -> None:
    states.save(layout, FULL)
    assert states.load(layout) == FULL
    states.remove(layout)
    assert states.load(layout) is None


def test_deleting_the_ignored_files_leaves_a_record(layout: Layout) -> None:
    states.save(layout, FULL)
    (layout.state / states.FILE).unlink()
    assert states.load(layout) == FULL


@pytest.mark.parametrize("torn", ["", "{", '{"instance": "defa', "[]", "\0\0\0"])
def test_a_torn_file_is_no_record_and_the_copy_counts(layout: Layout, torn: str) -> None:
    states.save(layout, FULL)
    (layout.state / states.FILE).write_text(torn)
    assert states.load(layout) == FULL


def test_a_field_of_a_later_version_is_ignored_and_another_version_is_refused(layout: Layout) -> None:
    states.save(layout, FULL)
    path = layout.state / states.FILE
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "unheard-of": 1}))
    assert states.load(layout) == FULL
    path.write_text(json.dumps({**content, "version": 99}))
    with pytest.raises(ClusterError, match="another version"):
        states.load(layout)


def test_an_incomplete_record_is_named(layout: Layout) -> None:
    (layout.state / states.FILE).write_text(json.dumps({"version": 1}))
    with pytest.raises(ClusterError, match=r"state\.json is not complete"):
        states.load(layout)


def test_a_failed_write_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")

    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_if_changed(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file"
    assert write_if_changed(path, "a", 0o600)
    assert path.stat().st_mode & 0o777 == 0o600
    assert not write_if_changed(path, "a")
    assert write_if_changed(path, "b")
    assert read_json(path) is None


HOLDER = """
import sys, time
from pathlib import Path
from tradingbot_cluster.files import exclusive
with exclusive(Path(sys.argv[1]), 'it'):
    print('held', flush=True)
    time.sleep(60)
"""


def test_the_lock_excludes_others_and_ends_with_a_killed_holder(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(lock)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match=str(holder.pid)), exclusive(lock, "it", wait_seconds=0.3):
            pass
        holder.kill()
        holder.wait()
        with exclusive(lock, "it", wait_seconds=60):
            assert lock.read_text() == str(os.getpid())


@pytest.mark.parametrize("name", ["", "Upper", "a b", "../x", "x" * 21, "1x", "-x"])
def test_instance_names_are_checked(name: str) -> None:
    with pytest.raises(UsageError, match="instance name"):
        Layout.of(name)


def test_places_of_instances_differ_and_a_deep_checkout_has_short_ones(tmp_path: Path) -> None:
    assert Layout.of("default").state != Layout.of("api").state
    assert Layout.of("default").key != Layout.of("api").key
    deep = Layout.of("default", tmp_path / ("deep/" * 40))
    assert len(str(deep.run)) <= LONGEST_DATA_PATH
    if os.geteuid() == 0:
        assert len(str(deep.data)) <= LONGEST_DATA_PATH


def test_a_lock_whose_file_the_holder_removed_still_excludes(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    inside: list[str] = []

    def worker(name: str) -> None:
        for _ in range(5):
            with exclusive(lock, "it", wait_seconds=120):
                inside.append(name)
                assert len(inside) == 1
                time.sleep(0.005)
                inside.remove(name)
                lock.unlink(missing_ok=True)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(worker, str(number)) for number in range(4)]:
            done.result()
