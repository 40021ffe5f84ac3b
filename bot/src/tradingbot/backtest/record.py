"""What a run leaves behind while it goes: postings as a hash, fills, orders, decisions, equity, prices."""

from __future__ import annotations

import hashlib
from array import array
from typing import TYPE_CHECKING

from tradingbot.domain import effects as fx
from tradingbot.domain.market import Candle
from tradingbot.domain.money import plain
from tradingbot.domain.orders import Order, OrderType

if TYPE_CHECKING:
    from decimal import Decimal

    from tradingbot.core.engine import Engine
    from tradingbot.domain.effects import Decision
    from tradingbot.domain.fills import Trade
    from tradingbot.domain.market import Tick


class LedgerHash:
    """sha256 over every posting in plain digits: the same history gives the same hash, and only the same."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.postings = 0

    def add(self, post: fx.Post) -> None:
        """Take a transaction."""
        for leg in post.postings:
            line = f"{post.tx}|{leg.account}|{leg.asset}|{plain(leg.amount)}|{post.cause}\n"
            self._digest.update(line.encode())
            self.postings += 1

    def hexdigest(self) -> str:
        """Return the hash so far."""
        return self._digest.hexdigest()


class Prices:
    """Candles of one symbol, in ticks."""

    def __init__(self) -> None:
        self.ts, self.high, self.low, self.close = array("q"), array("q"), array("q"), array("q")


class Record:
    """Collects effects and, candle by candle, equity (quote currency) and prices (ticks)."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.ledger = LedgerHash()
        self.trades: list[Trade] = []
        self.orders: dict[str, Order] = {}
        self.decided: dict[str, Decision] = {}
        """Approved decisions by client order id."""
        self.denied: dict[str, int] = {}
        """Number of denials by code."""
        self.denials: list[Decision] = []
        self.references: dict[str, Decimal] = {}
        """By client order id, the price at which the order was meant to execute."""
        self.latches: list[fx.Latch] = []
        self.alarms: list[fx.Alarm] = []
        self.equity_ts, self.equity = array("q"), array("d")
        self.prices: dict[str, Prices] = {symbol: Prices() for symbol in engine.config.symbols}
        self.candles = 0

    def effect(self, effect: fx.Effect) -> None:
        """Take an effect before it is carried out."""
        match effect:
            case fx.Post():
                self.ledger.add(effect)
            case fx.Traded(trade=trade):
                self.trades.append(trade)
            case fx.OrderMoved(client_id=client_id):
                order = self.engine.state.orders.get(client_id)
                if order is not None and client_id not in self.orders:
                    # The engine goes on changing this very object, also after it forgot it.
                    self.orders[client_id] = order
                    self._reference(order)
            case fx.Decide(decision=decision):
                self._decision(decision)
            case fx.Latch():
                self.latches.append(effect)
            case fx.Alarm():
                self.alarms.append(effect)
            case _:
                pass

    def _decision(self, decision: Decision) -> None:
        if decision.approved:
            self.decided[decision.client_id] = decision
            return
        self.denied[decision.code] = self.denied.get(decision.code, 0) + 1
        self.denials.append(decision)

    def _reference(self, order: Order) -> None:
        intent = order.intent
        price = self.engine.price(intent.symbol)
        if intent.type is OrderType.STOP:
            price = intent.stop_price
        elif intent.type is OrderType.LIMIT:
            price = intent.limit_price
        if price is not None:
            self.references[intent.client_id] = price

    def candle(self, candle: Candle) -> None:
        """Note equity and price after a candle."""
        self.candles += 1
        self._note(candle)

    def end(self, last: Tick) -> None:
        """Note where a market of ticks ended, inside a candle that was never finished."""
        start, price = last.ts - 1, last.price
        self._note(Candle(last.ts, last.symbol, start, price, price, price, price, last.volume, made=True))

    def _note(self, candle: Candle) -> None:
        prices = self.prices.get(candle.symbol)
        if prices is not None:
            prices.ts.append(candle.ts)
            prices.high.append(candle.high)
            prices.low.append(candle.low)
            prices.close.append(candle.close)
        equity = float(self.engine.equity)
        if self.equity_ts and self.equity_ts[-1] == candle.ts:
            self.equity[-1] = equity
        else:
            self.equity_ts.append(candle.ts)
            self.equity.append(equity)
