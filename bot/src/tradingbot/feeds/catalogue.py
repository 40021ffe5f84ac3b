"""Where recorded candles are: `candles/<dataset>/<BASE-QUOTE>/<timeframe>.parquet`, and `instrument.json`."""

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
    """One file of recorded candles."""

    path: Path
    instrument: Instrument
    length: int
    """Length of its candles in microseconds."""
    quote_volume: bool


def find(roots: list[Path], dataset: str, symbol: str, wanted: str, market_type: MarketType) -> Recording:
    """Find the file for a symbol and timeframe: the same timeframe, else the longest one that divides it."""
    base, quote = split_symbol(symbol)
    folders = [root / "candles" / dataset for root in roots if (root / "candles" / dataset).is_dir()]
    if not folders:
        known = sorted({entry.name for root in roots for entry in (root / "candles").glob("*") if entry.is_dir()})
        text = f"simulation.feed.dataset: there is no dataset {dataset!r}; known are {', '.join(known) or 'none'}"
        raise ConfigurationError("DataNotFound", text)
    folder = next((found / f"{base}-{quote}" for found in folders if (found / f"{base}-{quote}").is_dir()), None)
    if folder is None:
        known = sorted({entry.name.replace("-", "/") for found in folders for entry in found.glob("*-*")})
        text = f"strategy.symbols: dataset {dataset} has no {symbol}; it has {', '.join(known) or 'nothing'}"
        raise ConfigurationError("UnknownSymbol", text)
    length = timeframe(wanted)
    files = {timeframe(path.stem): path for path in folder.glob("*.parquet")}
    fitting = [have for have in files if length % have == 0]
    if not fitting:
        known = sorted(path.stem for path in files.values())
        text = f"strategy.timeframe: {wanted} of {symbol} cannot be made; dataset {dataset} has {', '.join(known)}"
        raise ConfigurationError("DataNotFound", text)
    have = max(fitting)
    specification = _specification(folder / "instrument.json")
    instrument = Instrument(
        symbol, base, quote, specification.tick, specification.lot, specification.min_notional, market_type
    )
    return Recording(files[have], instrument, have, specification.volume == "quote")


def _specification(path: Path) -> Specification:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Specification)
    except (OSError, msgspec.MsgspecError) as error:
        text = (
            f"{path.name} of {path.parent.name} cannot be read ({error}); it needs tick, lot and min_notional as text"
        )
        raise ConfigurationError("DataNotFound", text) from error
