"""The bot without edges: engine and simulated exchange, driven by hand. Synchronous, no clock, no database."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tradingbot.core.engine import Engine
from tradingbot.core.snapshot import EngineConfig, decode, encode
from tradingbot.domain import effects as fx
from tradingbot.domain import events
from tradingbot.domain.instrument import Instrument, MarketType
from tradingbot.domain.market import MINUTE, Candle, MarketEvent
from tradingbot.domain.money import plain
from tradingbot.ports import venue as answers
from tradingbot.risk.latch import Board
from tradingbot.risk.limits import Limits
from tradingbot.strategy.base import Context, Enter, Exit, Proposal, Strategy
from tradingbot.strategy.params import Params
from tradingbot.venues.sim.exchange import SimExchange
from tradingbot.venues.sim.rules import SimRules

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

BTC = Instrument("BTC/USD", "BTC", "USD", Decimal("0.5"), Decimal("0.0001"), Decimal(5))
CAPITAL = Decimal(10_000)
RULES = SimRules(latency_jitter=0)


def run_now(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waited")


def candle(minute: int, prices: tuple[float, float, float, float], volume: float = 100.0, gap: int = 0) -> Candle:
    """Make a one-minute candle of BTC/USD (open, high, low, close in USD)."""
    first, high, low, last = (round(price / 0.5) for price in prices)
    opened = minute * MINUTE
    return Candle(opened + MINUTE, "BTC/USD", opened, first, high, low, last, round(volume / 0.0001), gap)


def flat(minute: int, price: float, volume: float = 100.0) -> Candle:
    """Make a candle in which nothing moves."""
    return candle(minute, (price, price, price, price), volume)


class ScriptedParams(Params):
    """No parameters."""


class Scripted(Strategy[ScriptedParams, Any]):
    """Proposes what the script says for the number of the candle."""

    Params = ScriptedParams

    def __init__(self, script: dict[int, Proposal | Exception]) -> None:
        super().__init__(ScriptedParams())
        self.script, self.count = script, 0

    def on_candle(self, ctx: Context, candle: Candle) -> Iterable[Proposal]:
        del ctx, candle
        self.count += 1
        found = self.script.get(self.count)
        if isinstance(found, Exception):
            raise found
        return (found,) if found is not None else ()


def buy(stop: float, target: float) -> Enter:
    return Enter(events_side("buy"), Decimal(str(stop)), Decimal(str(target)), "told to")


def events_side(text: str) -> Any:
    from tradingbot.domain.orders import Side

    return Side(text)


def leave() -> Exit:
    return Exit("told to")


def config(limits: Limits | None = None, **changes: Any) -> EngineConfig:
    values: dict[str, Any] = {
        "bot": "test/bot",
        "epoch": 1,
        "symbols": ("BTC/USD",),
        "strategy": "scripted",
        "strategy_key": "key",
        "quote": "USD",
        "capital": CAPITAL,
        # Markets of tests move in leaps; `test_jumps` is about what is believed of them.
        "limits": limits or Limits(cost=RULES.cost, commission=RULES.commission, max_price_jump=Decimal(1)),
        "strategy_interval": MINUTE,
        "equity_interval": 60 * MINUTE,
    }
    return EngineConfig(**{**values, **changes})


class Bot:
    """Engine and venue with everything that they said."""

    def __init__(
        self,
        make_strategy: Callable[[], Strategy[Any, Any]],
        *,
        settings: EngineConfig | None = None,
        rules: SimRules = RULES,
        instrument: Instrument = BTC,
        saved: tuple[bytes, bytes] | None = None,
        board: Board | None = None,
    ) -> None:
        self.board = board or Board()
        self.effects: list[fx.Effect] = []
        instruments = {instrument.symbol: instrument}
        self.venue = SimExchange(rules, instruments, {instrument.quote: CAPITAL})
        state = None
        if saved is not None:
            state = decode(saved[0])
            self.venue.load(saved[1])
        self.engine = Engine(settings or config(), self.board, instruments, make_strategy, state)
        if saved is None:
            self.take(self.engine.open_account(0))
        else:
            self.take(self.engine.resume())

    def take(self, effects: Sequence[fx.Effect]) -> None:
        """Carry effects out at once, as the runner does after its commit."""
        self.effects.extend(effects)
        for effect in effects:
            if isinstance(effect, fx.Submit):
                self._send(effect)
            elif isinstance(effect, fx.Cancel):
                order = self.engine.state.orders[effect.client_id]
                outcome = run_now(self.venue.cancel(effect.client_id, effect.symbol))
                if isinstance(outcome, answers.Accepted):
                    now = self.engine.state.now
                    self.step(events.Closed(now, effect.client_id, events.End.CANCELED, order.note))

    def _send(self, effect: fx.Submit) -> None:
        intent = effect.approved.item
        order = self.engine.state.orders.get(intent.client_id)
        if order is None or order.state.value != "INTENT":
            return
        now = self.engine.state.now
        self.step(events.Sent(now, intent.client_id))
        self.venue.advance(now)
        outcome = run_now(self.venue.submit(effect.approved))
        if isinstance(outcome, answers.Accepted):
            self.step(events.Accepted(now, intent.client_id, outcome.venue_id))
        else:
            self.step(events.Refused(now, intent.client_id, outcome.code, outcome.text))

    def step(self, event: Any) -> None:
        self.take(self.engine.step(event))

    def show(self, *events: MarketEvent) -> Bot:
        """Show candles or ticks: the venue first, then the engine."""
        for one in events:
            while replies := self.venue.match(one):
                for reply in replies:
                    self.step(reply)
            self.step(one)
        return self

    def save(self) -> tuple[bytes, bytes]:
        return encode(self.engine.save()), self.venue.save()

    def of(self, kind: type[Any]) -> list[Any]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    @property
    def trades(self) -> list[Any]:
        return [effect.trade for effect in self.of(fx.Traded)]

    @property
    def decisions(self) -> list[Any]:
        return [effect.decision for effect in self.of(fx.Decide)]

    def ledger_hash(self) -> str:
        return ledger_hash(self.of(fx.Post))


def ledger_hash(posts: Iterable[fx.Post]) -> str:
    """Hash every posting in plain digits: the same history gives the same hash, and only the same."""
    digest = hashlib.sha256()
    for post in posts:
        for leg in post.postings:
            digest.update(f"{post.tx}|{leg.account}|{leg.asset}|{plain(leg.amount)}|{post.cause}\n".encode())
    return digest.hexdigest()


FUTURES = Instrument("BTC/USD", "BTC", "USD", Decimal("0.5"), Decimal("0.0001"), Decimal(5), MarketType.FUTURES)
