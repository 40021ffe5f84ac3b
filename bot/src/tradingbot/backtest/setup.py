"""From options to settings and a market: configuration file < environment < options. Refuses with the field's name."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from pydantic import ValidationError

from tradingbot import terms
from tradingbot.config.load import INVALID, load
from tradingbot.config.model import FeedType, Mode, Resolution, Settings
from tradingbot.domain.errors import ConfigurationError
from tradingbot.domain.market import DAY, SECOND, timeframe
from tradingbot.feeds.recorded import RecordedFeed
from tradingbot.strategy.params import explain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tradingbot.feeds.catalogue import Recording
    from tradingbot.ports.feed import Feed

DEFAULT = Path(__file__).parent / "default.yaml"
SYNTHETIC_DAYS = 30
"""A synthetic market never ends: without `--to`, this many days of it are traded."""
DATA = "DataNotFound"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on the command line; None is "as the configuration says"."""

    config: Path | None = None
    strategy: str | None = None
    parameters: tuple[str, ...] = ()
    """Each as `key=value`."""
    symbols: tuple[str, ...] = ()
    timeframe: str | None = None
    data: str | None = None
    """A folder of candles or trades, the name of a dataset, or `synthetic`."""
    begin: str | None = None
    end: str | None = None
    seed: int | None = None
    ticks: bool = False
    """Every trade of the market instead of its candles."""


class InputFile(msgspec.Struct, frozen=True):
    """One file that the result depends on."""

    name: str
    sha256: str
    left_out: dict[str, int] = {}
    """Rows that cannot be used, by flaw."""


class Market(msgspec.Struct, frozen=True):
    """A feed, and which part of it is traded (microseconds; candles that close after `begin`, up to `end`)."""

    feed: Any
    begin: int
    end: int
    warm: bool
    """There is a past before `begin` that strategies can be shown."""
    files: tuple[InputFile, ...]

    @property
    def source(self) -> Feed:
        """Return the feed."""
        feed: Feed = self.feed
        return feed


def settings(options: Options, environment: Mapping[str, str]) -> Settings:
    """Build the settings of a backtest."""
    path = options.config
    if path is None and not environment.get("CONFIG_PATH"):
        path = DEFAULT
    base = load(environment, path)
    values = base.model_dump()
    values["mode"] = Mode.SIMULATION
    strategy, simulation = values["strategy"], values["simulation"]
    simulation["feed"].update(speed=Decimal(0), loop=False)
    if "feed" not in base.simulation.model_fields_set or simulation["feed"]["type"] is FeedType.LIVE:
        # A past that was real, unless the configuration asks for a made-up one.
        simulation["feed"].update(type=FeedType.RECORDED)
    if options.strategy is not None and options.strategy != strategy["name"]:
        # Parameters of one strategy mean nothing to another.
        strategy.update(name=options.strategy, parameters={})
    strategy["parameters"] = {**strategy["parameters"], **_pairs(options.parameters)}
    if options.symbols:
        strategy["symbols"] = list(options.symbols)
    if options.timeframe is not None:
        strategy["timeframe"] = options.timeframe
    if options.seed is not None:
        simulation["seed"] = options.seed
    if options.ticks:
        simulation["feed"].update(resolution=Resolution.TICKS)
    if options.data is not None:
        _data(options.data, values)
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        lines = [line.removeprefix(": ") for line in explain(error, "", [])]
        raise ConfigurationError(INVALID, "; ".join(lines)) from None


def _pairs(texts: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            message = f"--param {text}: write it as name=value, for example --param entry_lookback=55"
            raise ConfigurationError(INVALID, message)
        found[key.strip()] = value.strip()
    return found


def _data(text: str, values: dict[str, Any]) -> None:
    """Point the feed at a dataset by name, at a folder with `candles/` (`trades/`), or at a dataset's own folder."""
    feed = values["simulation"]["feed"]
    folder = Path(text)
    if text == "synthetic":
        feed.update(type=FeedType.SYNTHETIC)
        return
    feed.update(type=FeedType.RECORDED)
    if not folder.is_dir():
        if "/" in text or text.startswith("."):
            raise ConfigurationError(DATA, f"--data {text}: there is no such folder")
        feed.update(dataset=text)
        return
    folder = folder.resolve()
    kind = "trades" if feed["resolution"] is Resolution.TICKS else "candles"
    if folder.parent.name == kind:
        values["data_path"] = str(folder.parent.parent)
        feed.update(dataset=folder.name)
        return
    sets = sorted(entry.name for entry in (folder / kind).glob("*") if entry.is_dir())
    if not sets:
        file = "trades" if kind == "trades" else "<timeframe>"
        message = f"--data {text}: expected {kind}/<dataset>/<BASE-QUOTE>/{file}.parquet below this folder"
        raise ConfigurationError(DATA, message)
    values["data_path"] = str(folder)
    if feed["dataset"] not in sets:
        if len(sets) > 1:
            named = f"{', '.join(sets)}: name one, as --data {text}/{kind}/{sets[0]}"
            message = f"--data {text} has several datasets, {named}"
            raise ConfigurationError(DATA, message)
        feed.update(dataset=sets[0])


def moment(text: str, option: str) -> int:
    """Read a date or time in UTC as microseconds: `2022-01-05`, `2022-01-05T12:30`, `2022-01-05T12:30+01:00`."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        message = f"{option} {text}: write a date like 2022-01-05 or a time like 2022-01-05T12:30 (UTC)"
        raise ConfigurationError(INVALID, message) from None
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    return round(found.timestamp()) * SECOND


def iso(ts: int) -> str:
    """Write a moment as `2022-01-05T12:30:00Z`."""
    return datetime.fromtimestamp(ts // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def market(settings: Settings, options: Options) -> Market:
    """Open the market data and cut it to the wanted part."""
    begin = moment(options.begin, "--from") if options.begin is not None else None
    end = moment(options.end, "--to") if options.end is not None else None
    if begin is not None and end is not None and begin >= end:
        raise ConfigurationError(INVALID, f"--from {options.begin} must lie before --to {options.end}")
    symbols = frozenset(settings.strategy.symbols)
    if settings.simulation.feed.type is not FeedType.RECORDED:
        from tradingbot.feeds.synthetic import BEGIN

        start = max(BEGIN, begin if begin is not None else BEGIN)
        stop = end if end is not None else start + SYNTHETIC_DAYS * DAY
        if stop <= start:
            raise ConfigurationError(DATA, f"the synthetic market begins on {iso(BEGIN)}: choose a later --to")
        return Market(terms.feed(settings, symbols), start, stop, start > BEGIN, ())
    recordings = terms.recordings(settings, symbols)
    feed = RecordedFeed(recordings, timeframe(settings.strategy.timeframe), loop=False)
    last = feed.start + feed.span
    start, stop = max(feed.start, begin or 0), min(last, end if end is not None else last)
    if start >= stop:
        feed.close()
        message = (
            f"there are no market data between --from and --to: the data goes from {iso(feed.start)} to {iso(last)}"
        )
        raise ConfigurationError(DATA, message)
    return Market(feed, start, stop, start > feed.start, _files(recordings, feed))


def _files(recordings: Sequence[Recording], feed: RecordedFeed) -> tuple[InputFile, ...]:
    files = []
    for recording in recordings:
        for path in (recording.path, recording.path.with_name("instrument.json")):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            name = "/".join(path.parts[-3:])
            flaws = feed.flaws.get(recording.instrument.symbol, {}) if path is recording.path else {}
            files.append(InputFile(name, digest, dict(flaws)))
    return tuple(files)
