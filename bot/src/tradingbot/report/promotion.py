"""What a simulation has shown with its present strategy and limits: the figures that a promotion to live asks for.

They come from the ledger's own rows, and from nothing that a process only remembers: a restart changes none of them.
A trade is a round trip, from the fill that opens a position to the one that leaves nothing of it. Days are those of
the market. What was traded with another strategy, other parameters or other limits does not count.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Any

from tradingbot.domain.market import DAY
from tradingbot.domain.money import ZERO, add, plain, ratio, sub
from tradingbot.observe import logs
from tradingbot.ports.store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tradingbot.ports.clock import Clock
    from tradingbot.ports.store import Store

SECONDS = 60.0
"""How often it is brought up to date."""
PAGE = 500
_log = logs.get(__name__)


class Promotion:
    """Reads what is new in the ledger every now and then, and publishes the figures."""

    def __init__(
        self, store: Store, clock: Clock, subject: str, publish: Callable[[dict[str, Any] | None], None]
    ) -> None:
        self._store, self._clock, self._subject, self._publish = store, clock, subject, publish
        self._begin: int | None = None
        self._first = self._last = 0
        self._drawdown = ZERO
        self._seen: tuple[int, str] = (0, "")
        self._held: dict[str, Decimal] = {}
        self._profit: dict[str, Decimal] = {}
        self.trades = 0
        self._gained = self._lost = ZERO

    async def run(self) -> None:
        """Keep the figures up to date for ever. A database that does not answer leaves what is known."""
        while True:
            try:
                self._publish(await self.look())
            except StoreError as error:
                _log.warning("what the simulation has shown was not read", error=str(error))
            await self._clock.sleep(SECONDS)

    async def look(self) -> dict[str, Any] | None:
        """Take in what is new; return the figures, or None while nothing was traded with this strategy."""
        if self._begin is None:
            self._begin = await self._beginning()
            if self._begin is None:
                return None
            self._last, self._seen = self._begin, (self._begin, "")
        curve = await self._store.curve(self._last)
        if curve.last_ts:
            self._first, self._last = self._first or curve.first_ts, curve.last_ts
            self._drawdown = max(self._drawdown, curve.drawdown)
        for row in await self._fills():
            self._fill(row)
        if not self._first:
            return None
        return {
            "days": plain((Decimal(self._last - self._first) / DAY).quantize(Decimal("0.1"), rounding=ROUND_DOWN)),
            "trades": self.trades,
            "max_drawdown": plain(round(self._drawdown, 6)),
            "profit_factor": self._factor(),
        }

    def _factor(self) -> str | None:
        """Return gains over losses; without a trade there is none, and without a loss it has no bound."""
        if not self.trades:
            return None
        return plain(round(ratio(self._gained, self._lost), 4)) if self._lost else "Infinity"

    async def _beginning(self) -> int | None:
        """Return the market time since when nothing but this is traded: of the first of the last starts like this."""
        begin: int | None = None
        before, tie = None, ""
        while page := await self._store.rows("audit", PAGE, before, tie=tie, where={"event": "started"}):
            for row in page:
                if row["subject"] != self._subject:
                    return begin
                begin = row["reached_ts"]
            before, tie = page[-1]["market_ts"], str(page[-1]["number"])
        return begin

    async def _fills(self) -> list[Mapping[str, Any]]:
        """Return the fills that are new, in the order in which they happened."""
        new: list[Mapping[str, Any]] = []
        before, tie = None, ""
        while page := await self._store.rows("trades", PAGE, before, tie=tie):
            fresh = [row for row in page if (row["market_ts"], row["trade_id"]) > self._seen]
            new += fresh
            if len(fresh) < len(page):
                break
            before, tie = page[-1]["market_ts"], page[-1]["trade_id"]
        if new:
            self._seen = (new[0]["market_ts"], new[0]["trade_id"])
        return new[::-1]

    def _fill(self, row: Mapping[str, Any]) -> None:
        symbol = row["symbol"]
        signed = row["quantity"] if row["side"] == "buy" else -row["quantity"]
        held = add(self._held.get(symbol, ZERO), signed)
        profit = sub(add(self._profit.get(symbol, ZERO), row["realized"]), row["fee"])
        if held != 0:
            self._held[symbol], self._profit[symbol] = held, profit
            return
        self._held.pop(symbol, None)
        self._profit.pop(symbol, None)
        self.trades += 1
        if profit > 0:
            self._gained = add(self._gained, profit)
        else:
            self._lost = sub(self._lost, profit)
