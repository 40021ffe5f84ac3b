from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tradingbot.cli.alone import DEFAULTS, Wanted, data_folder, is_alone
from tradingbot.config.load import Option, load
from tradingbot.domain.errors import ConfigurationError
from tradingbot.observe.logfile import LogFile

if TYPE_CHECKING:
    from collections.abc import Mapping


@pytest.mark.parametrize(
    ("environment", "folder", "alone"),
    [
        ({}, None, True),
        ({"HTTP_PORT": "9000", "LOG_LEVEL": "DEBUG"}, None, True),
        ({"DB_URL": "postgresql://u@h/d"}, None, False),
        ({"CONFIG_PATH": "/etc/tradingbot/config.yaml"}, None, False),
        ({"POD_NAME": "tradingbot-x-1"}, None, False),
        ({"TRADINGBOT_NAME": "x"}, None, False),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, None, False),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, Path("/data"), True),
        ({"DB_URL": "postgresql://u@h/d"}, Path("/data"), False),
    ],
)
def test_alone_is_where_nothing_speaks_of_a_cluster_or_a_database(
    environment: Mapping[str, str], folder: Path | None, alone: bool
) -> None:
    assert is_alone(environment, Wanted(data_dir=folder)) is alone


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({"HOME": "/home/u"}, "linux", "/home/u/.local/state/tradingbot"),
        ({"HOME": "/home/u", "XDG_STATE_HOME": "/s"}, "linux", "/s/tradingbot"),
        ({"HOME": "/Users/u"}, "darwin", "/Users/u/Library/Application Support/tradingbot"),
        ({"HOME": "/u", "LOCALAPPDATA": "/l"}, "win32", "/l/tradingbot"),
    ],
)
def test_the_ledger_is_where_programs_of_this_system_keep_their_state(
    environment: Mapping[str, str], platform: str, expected: str
) -> None:
    assert str(data_folder(environment, None, platform)) == expected


def test_a_folder_that_is_named_counts() -> None:
    assert data_folder({"XDG_STATE_HOME": "/s"}, Path("here")) == Path.cwd() / "here"


def test_options_come_before_the_environment_and_defaults_after_the_file(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("strategy: {name: momentum}\nsimulation: {feed: {loop: true}}\n")
    options = [Option("--port", ("http", "port"), 9001)]
    settings = load({"HTTP_PORT": "9000"}, file, defaults=DEFAULTS, options=options)
    assert settings.http.port == 9001
    assert settings.http.host == "127.0.0.1"
    assert settings.strategy.name == "momentum"
    assert (settings.simulation.feed.speed, settings.simulation.feed.loop) == (Decimal(60), True)
    assert load({"HTTP_HOST": "0.0.0.0"}, file, defaults=DEFAULTS).http.host == "0.0.0.0"


def test_defaults_are_not_changed_by_what_is_read() -> None:
    load({}, None, defaults=DEFAULTS, options=[Option("--speed", ("simulation", "feed", "speed"), "7")])
    assert load({}, None, defaults=DEFAULTS).simulation.feed.speed == 60


def test_a_wrong_option_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"from the option --speed"):
        load({}, None, defaults=DEFAULTS, options=[Option("--speed", ("simulation", "feed", "speed"), "fast")])


def test_the_log_never_grows_beyond_two_files(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "x.log", most=100)
    for number in range(100):
        log.write(f"line {number:03}\n")
        log.flush()
    log.close()
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"x.log", "x.log.1"}
    assert max(sizes.values()) <= 100
    assert (tmp_path / "x.log").read_text().endswith("line 099\n")


def test_an_old_log_goes_after_a_week(tmp_path: Path) -> None:
    old, new = tmp_path / "x.log.1", tmp_path / "x.log"
    for days, kept in ((6, True), (8, False)):
        old.write_text("old")
        new.write_text("new")
        at = new.stat().st_mtime - days * 86_400
        os.utime(old, (at, at))
        LogFile(new).close()
        assert old.exists() is kept


def test_a_log_on_a_full_disk_loses_lines_stops_nothing_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.symlink_to("/dev/full")
    log = LogFile(path, most=20_000)
    for number in range(3000):
        assert log.write(f"line {number:04}\n") == 10
        log.flush()
        if number == 1000:
            path.unlink()  # room again: the next file is begun on a disk that takes it
    log.close()
    assert path.read_text().endswith("line 2999\n")
    full = tmp_path / "full.log"
    full.symlink_to("/dev/full")
    other = LogFile(full)
    other.write("lost")
    other.close()


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "x.log")
    log._file.close()
    assert log.write("lost\n") == 5
    log.flush()
