"""From the settings to the terms of each part: limits, the simulated exchange, the market, a run of the engine."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tradingbot.config.model import FeedType, Mode, Resolution, Settings
from tradingbot.core.snapshot import EngineConfig
from tradingbot.domain.instrument import Instrument, split_symbol
from tradingbot.domain.market import MINUTE, SECOND, timeframe
from tradingbot.feeds import catalogue
from tradingbot.observe import logs
from tradingbot.risk.limits import Limits
from tradingbot.venues.sim.faults import Fault, Faults
from tradingbot.venues.sim.rules import SimRules

if TYPE_CHECKING:
    from tradingbot.ports.feed import Feed

SYNTHETIC_STEPS = {"tick": Decimal("0.01"), "lot": Decimal("0.0001"), "min_notional": Decimal(5)}
REMEMBERED = 60 * MINUTE
"""So long a finished live order is remembered: a fill that the exchange tells late still finds its order."""

_log = logs.get(__name__)


def rules(settings: Settings) -> SimRules:
    """Return the simulated exchange's terms."""
    simulation, chances = settings.simulation, settings.simulation.faults
    faults = Faults(
        **{name: getattr(chances, name) for name in Fault},
        late_by=chances.late_seconds * SECOND,
        seed=simulation.seed,
    )
    return SimRules(
        commission=simulation.commission,
        maker_commission=simulation.maker_commission,
        slippage=simulation.slippage,
        spread=simulation.spread,
        volume_share=simulation.volume_share,
        depth=simulation.depth,
        latency=simulation.latency_milliseconds * 1000,
        cancel_latency=simulation.cancel_latency_milliseconds * 1000,
        fill_latency=simulation.fill_latency_milliseconds * 1000,
        faults=faults,
        seed=simulation.seed,
    )


def limits(settings: Settings) -> Limits:
    """Return the limits as the gate uses them."""
    risk, terms = settings.risk, rules(settings)
    return Limits(
        **{name: getattr(risk, name) for name in type(risk).model_fields},
        cost=terms.cost,
        commission=terms.commission,
        max_data_age=3 * timeframe(settings.strategy.timeframe),
    )


def roots(settings: Settings) -> list[Path]:
    """Return where recorded candles are looked for."""
    return [*([Path(settings.data_path)] if settings.data_path else []), catalogue.PACKAGED]


def recordings(settings: Settings, symbols: frozenset[str]) -> list[catalogue.Recording]:
    """Find the files of a recorded market, or say which symbol or dataset is wrong."""
    market, dataset = settings.exchange.market_type, settings.simulation.feed.dataset
    if settings.simulation.feed.resolution is Resolution.TICKS:
        return [catalogue.find_trades(roots(settings), dataset, symbol, market) for symbol in sorted(symbols)]
    wanted = settings.strategy.timeframe
    return [catalogue.find(roots(settings), dataset, symbol, wanted, market) for symbol in sorted(symbols)]


def feed(settings: Settings, symbols: frozenset[str]) -> Feed:
    """Make the market of a simulation. Reads files: not on the event loop."""
    length = timeframe(settings.strategy.timeframe)
    if settings.simulation.feed.type is FeedType.RECORDED:
        from tradingbot.feeds.recorded import RecordedFeed

        recorded = RecordedFeed(recordings(settings, symbols), length, loop=settings.simulation.feed.loop)
        if recorded.flaws:
            _log.warning("rows of the recorded data were left out", flaws=recorded.flaws)
        return recorded
    from tradingbot.feeds.synthetic import SyntheticFeed

    instruments = [_synthetic(settings, symbol) for symbol in sorted(symbols)]
    interval = settings.simulation.tick_interval_seconds * SECOND
    ticks = settings.simulation.feed.resolution is Resolution.TICKS
    return SyntheticFeed(instruments, length, interval, settings.simulation.seed, ticks=ticks)


def _synthetic(settings: Settings, symbol: str) -> Instrument:
    base, quote = split_symbol(symbol)
    return Instrument(symbol, base, quote, market_type=settings.exchange.market_type, **SYNTHETIC_STEPS)


def equity_interval(settings: Settings) -> int:
    """Return the market time between points of the equity curve: about two seconds on the wall, a candle at least."""
    length = timeframe(settings.strategy.timeframe)
    speed = settings.simulation.feed.speed
    if settings.mode is Mode.LIVE or settings.simulation.feed.type is FeedType.LIVE:
        return length
    if speed == 0:
        return max(length, 15 * MINUTE)
    return max(length, int(2 * speed) * SECOND)


def strategy_key(settings: Settings) -> str:
    """Return what changes when the strategy does."""
    strategy = settings.strategy
    parameters = {key: str(value) for key, value in strategy.parameters.items()}
    text = msgspec.json.encode([strategy.name, strategy.timeframe, parameters], order="deterministic")
    return hashlib.sha256(text).hexdigest()[:16]


def engine_config(settings: Settings, epoch: int) -> EngineConfig:
    """Return what a run of the engine is about."""
    strategy = settings.strategy
    confirmed = settings.mode is Mode.LIVE and settings.order_confirmation_required
    return EngineConfig(
        bot=settings.bot.full_name,
        epoch=epoch,
        symbols=tuple(sorted(strategy.symbols)),
        strategy=strategy.name,
        strategy_key=strategy_key(settings),
        quote=split_symbol(strategy.symbols[0])[1],
        capital=settings.simulation.initial_capital,
        limits=limits(settings),
        strategy_interval=settings.simulation.strategy_interval_seconds * SECOND,
        equity_interval=equity_interval(settings),
        targets_rest=settings.mode is Mode.SIMULATION,
        remote=settings.mode is Mode.LIVE,
        confirm_above=settings.exchange.order_confirmation_threshold if confirmed else None,
        confirm_within=settings.exchange.order_confirmation_seconds * SECOND,
        remembered=REMEMBERED if settings.mode is Mode.LIVE else 0,
        flags=settings.redis.url is not None,
        approval=settings.approval.digest if settings.mode is Mode.LIVE and settings.approval is not None else "",
    )
