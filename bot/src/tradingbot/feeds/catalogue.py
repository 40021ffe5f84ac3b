"""Where recorded markets are: `candles/<dataset>/<BASE-QUOTE>/<timeframe>.parquet`, and `instrument.json` beside it.

Trades are in `trades/<dataset>/<BASE-QUOTE>/trades.parquet`.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec

from tradingbot.domain.errors import ConfigurationError
from tradingbot.domain.instrument import Instrument, MarketType, split_symbol
from tradingbot.domain.market import timeframe

PACKAGED = Path(__file__).resolve().parent.parent / "data"
"""What comes with the bot."""


class Specification(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `instrument.json` says: steps as text, so that they are exact."""

    tick: Decimal
    lot: Decimal
    min_notional: Decimal
    volume: str = "base"
    """`base` or `quote`: the currency in which the file counts volume."""


class Recording(msgspec.Struct, frozen=True):
    """One file of recorded candles or trades."""

    path: Path
    instrument: Instrument
    length: int
    """Length of its candles in microseconds, 0 for trades."""
    quote_volume: bool


def find(roots: list[Path], dataset: str, symbol: str, wanted: str, market_type: MarketType) -> Recording:
    """Find the file for a symbol and timeframe: the same timeframe, else the longest one that divides it."""
    folder = _folder(roots, "candles", dataset, symbol)
    length = timeframe(wanted)
    files = {timeframe(path.stem): path for path in folder.glob("*.parquet")}
    fitting = [have for have in files if length % have == 0]
    if not fitting:
        known = sorted(path.stem for path in files.values())
        text = f"strategy.timeframe: {wanted} of {symbol} cannot be made; dataset {dataset} has {', '.join(known)}"
        raise ConfigurationError("DataNotFound", text)
    have = max(fitting)
    return _recording(files[have], symbol, market_type, have)


def find_trades(roots: list[Path], dataset: str, symbol: str, market_type: MarketType) -> Recording:
    """Find the file of a symbol's trades."""
    path = _folder(roots, "trades", dataset, symbol) / "trades.parquet"
    if not path.is_file():
        text = f"simulation.feed.dataset: {path.name} of {symbol} is missing in dataset {dataset}"
        raise ConfigurationError("DataNotFound", text)
    return _recording(path, symbol, market_type, 0)


def _folder(roots: list[Path], kind: str, dataset: str, symbol: str) -> Path:
    base, quote = split_symbol(symbol)
    folders = [root / kind / dataset for root in roots if (root / kind / dataset).is_dir()]
    if not folders:
        known = sorted({entry.name for root in roots for entry in (root / kind).glob("*") if entry.is_dir()})
        of = "" if kind == "candles" else f" of {kind}"
        text = f"simulation.feed.dataset: there is no dataset {dataset!r}{of}; known are {', '.join(known) or 'none'}"
        raise ConfigurationError("DataNotFound", text)
    folder = next((found / f"{base}-{quote}" for found in folders if (found / f"{base}-{quote}").is_dir()), None)
    if folder is None:
        known = sorted({entry.name.replace("-", "/") for found in folders for entry in found.glob("*-*")})
        what = dataset if kind == "candles" else f"{dataset} of {kind}"
        text = f"strategy.symbols: dataset {what} has no {symbol}; it has {', '.join(known) or 'nothing'}"
        raise ConfigurationError("UnknownSymbol", text)
    return folder


def _recording(path: Path, symbol: str, market_type: MarketType, length: int) -> Recording:
    specification = _specification(path.with_name("instrument.json"))
    steps = (specification.tick, specification.lot, specification.min_notional)
    instrument = Instrument(symbol, *split_symbol(symbol), *steps, market_type)
    return Recording(path, instrument, length, specification.volume == "quote")


def _specification(path: Path) -> Specification:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Specification)
    except (OSError, msgspec.MsgspecError) as error:
        text = (
            f"{path.name} of {path.parent.name} cannot be read ({error}); it needs tick, lot and min_notional as text"
        )
        raise ConfigurationError("DataNotFound", text) from error
