"""A real exchange as a venue. `ports.venue.Venue` says what each method promises; nothing here is ever sent twice.

Entries need a good preflight (`connect`); cancels, closes and look-ups work whatever it said.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, TypeVar

from tradingbot.domain.money import ZERO, plain
from tradingbot.domain.orders import Side
from tradingbot.ports.venue import NOT_FOUND, Absent, Accepted, Found, Refused, Unavailable, Unknown
from tradingbot.venues.ccxt import mapping, markets, outcome, preflight
from tradingbot.venues.ccxt.gateway import PROVEN, Credentials, Gateway, Reply
from tradingbot.venues.ccxt.history import NotToldError
from tradingbot.venues.ccxt.limits import LEAST_FOR_STOPS, Budget, Lane
from tradingbot.venues.ccxt.mapping import MalformedError, NativeFee, Rules
from tradingbot.venues.ccxt.outcome import Ask, Missing
from tradingbot.venues.ccxt.preflight import Preflight, Skew, Verdict
from tradingbot.venues.ccxt.reader import Reader
from tradingbot.venues.ccxt.terms import CcxtReport, VenueConfig

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from decimal import Decimal

    from tradingbot.domain.events import Fill
    from tradingbot.domain.instrument import Instrument
    from tradingbot.domain.orders import Approved, Intent
    from tradingbot.ports.clock import Clock
    from tradingbot.ports.venue import LookUp, OpenOrder, Outcome
    from tradingbot.venues.ccxt.markets import Markets

WEIGHT_ORDER = 1
WEIGHT_CANCEL = 1
WEIGHT_LOOK_UP = 4
WEIGHT_MARKETS = 20
REMEMBERED = 20_000

T = TypeVar("T")


class CcxtVenue:
    """One account at one exchange. Making it imports nothing and connects to nothing."""

    def __init__(
        self,
        config: VenueConfig,
        credentials: Credentials,
        clock: Clock,
        *,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.config, self.clock = config, clock
        rates = (config.weight_per_minute, config.orders_per_ten_seconds)
        self.budget = Budget(clock.monotonic, *rates, least_for_stops=LEAST_FOR_STOPS)
        self.gateway = Gateway(
            config.exchange,
            credentials,
            clock,
            self.budget,
            test_mode=config.test_mode,
            timeout=config.timeout,
            api_url=config.api_url,
            options=options or {},
        )
        self.preflight: Preflight | None = None
        self.held: frozenset[str] = frozenset()
        """Symbols that the configuration names no more, and in which a position is open."""
        self._rights = preflight.Rights(cause="not asked yet")
        self.reader = Reader(self.gateway)
        self._sent: OrderedDict[str, float] = OrderedDict()
        self._missed: OrderedDict[str, float] = OrderedDict()
        """By client id, when the exchange first said that it does not know the order (monotonic seconds)."""
        self.filled: OrderedDict[str, Decimal] = OrderedDict()
        """By client id, how much of an order had been filled when it was last looked up, in base currency."""

    def __repr__(self) -> str:
        return f"CcxtVenue({self.gateway!r})"

    @property
    def rules(self) -> Mapping[str, Rules]:
        """Return what the exchange demands of orders, by symbol; empty before `connect`."""
        return self.markets.rules

    @property
    def markets(self) -> Markets:
        """Return what the exchange said of the markets that are wanted."""
        return self.reader.markets

    @property
    def instruments(self) -> dict[str, Instrument]:
        """Return the instruments for the engine."""
        return {symbol: rules.instrument for symbol, rules in self.rules.items()}

    # -- before the first order ------------------------------------------------------------------------------------

    async def connect(self) -> Preflight:
        """Read the markets, the clock and the rights of the key; may be called again at any time."""
        await self.gateway.load()
        unreachable = await self.load_markets()
        self._rights = await preflight.rights(self.gateway)
        return await self.check(unreachable)

    async def check(self, unreachable: str = "", lane: Lane = Lane.QUERY) -> Preflight:
        """Measure the clock again and judge anew; entries follow what it says. Cheap: one request."""
        if not unreachable and not self.rules and not self.markets.untraded:
            unreachable = "the markets were not read yet"
        skew = await preflight.measure_skew(self.gateway, self.config.max_skew_ms, lane)
        return self._judge(skew, unreachable)

    def _judge(self, skew: Skew | str, unreachable: str = "") -> Preflight:
        config = self.config
        if isinstance(skew, Skew):
            self.gateway.offset_ms = skew.offset_ms
            self.gateway.skew_doubted = False
        proven = config.exchange in PROVEN
        verdict, reasons = preflight.judge(
            unreachable,
            skew,
            self._rights,
            self.markets.untraded,
            proven=proven,
            test_mode=config.test_mode,
            accept_unknown=config.accept_unknown_rights,
        )
        self.preflight = Preflight(
            exchange=config.exchange,
            test_mode=config.test_mode,
            proven=proven,
            key=self.gateway.credentials.fingerprint,
            reachable=isinstance(skew, Skew) and not unreachable,
            skew=skew if isinstance(skew, Skew) else None,
            rights=self._rights,
            symbols={symbol: rules.stops for symbol, rules in self.rules.items()},
            dead_man_switch=bool(self.gateway.client.has.get("cancelAllOrdersAfter")),
            verdict=verdict,
            reasons=reasons,
        )
        return self.preflight

    async def load_markets(self, lane: Lane = Lane.QUERY) -> str:
        """Read the markets; return why they could not be read."""
        reply = await self.gateway.call("load_markets", True, lane=lane, weight=WEIGHT_MARKETS)  # noqa: FBT003
        problem = reply.unreadable("dict")
        if problem:
            return problem
        told = reply.answer if isinstance(reply.answer, dict) else {}
        config, precision = self.config, self.gateway.client.precisionMode
        self.reader.markets = markets.read(told, config.symbols, self.held, config.exchange, precision)
        return ""

    # -- orders ----------------------------------------------------------------------------------------------------

    async def submit(self, approved: Approved[Intent]) -> Outcome:
        """Send an order, once. `Refused` only when it is certain that the order does not exist."""
        intent = approved.item
        refused = self._gate(intent)
        if refused is not None:
            return refused
        if intent.client_id in self._sent:
            return await self._resolve(intent, "it was sent before")
        if self.gateway.skew_doubted:
            # Only a close comes here with a clock in doubt; its signature needs the exchange's time.
            await self.check(lane=Lane.STOP)
        rules = self.rules[intent.symbol]
        quantity = await self._closable(intent, rules) if intent.reduce_only else intent.quantity
        if isinstance(quantity, Refused):
            return quantity
        client = self.gateway.client
        ticket = mapping.ticket(intent, rules, quantity, client.amount_to_precision, client.price_to_precision)
        if isinstance(ticket, Refused):
            return ticket
        if intent.client_id in self._sent:
            return Unknown("it is being sent")
        _keep(self._sent, intent.client_id, self.clock.monotonic())
        reply = await self.gateway.call(
            "create_order",
            *(ticket.symbol, ticket.type, ticket.side, ticket.amount, ticket.price, ticket.params),
            lane=Lane.STOP if intent.reduce_only else Lane.ENTRY,
            weight=WEIGHT_ORDER,
            is_order=True,
        )
        return await self._submitted(intent, reply)

    async def _submitted(self, intent: Intent, reply: Reply) -> Outcome:
        if reply.wait is not None:
            self._sent.pop(intent.client_id, None)
            return Refused(reply.wait.code, reply.wait.text)
        judged = outcome.submitted(reply.answer, reply.error, reply.evidence, intent.client_id)
        if isinstance(judged, Ask):
            return await self._resolve(intent, judged.cause)
        if isinstance(judged, Accepted):
            self.reader.names.learn(intent.symbol, judged.venue_id, intent.client_id)
            self._missed.pop(intent.client_id, None)
        return judged

    async def _resolve(self, intent: Intent, cause: str) -> Accepted | Unknown:
        found = await self._look(intent.client_id, intent.symbol, Lane.STOP)
        if isinstance(found, Found):
            return Accepted(found.venue_id, self._now_us())
        return Unknown(f"{cause}; looked up: {found}")

    def _gate(self, intent: Intent) -> Refused | None:
        """Refuse what must not leave. A close passes with nothing but markets."""
        if self.gateway.closing:
            return Refused("CLOSED", "the connection is being closed")
        if intent.symbol not in self.rules:
            known = ", ".join(sorted(self.rules)) or "none, connect first"
            return Refused("UNKNOWN_SYMBOL", f"{intent.symbol} is not connected; connected: {known}")
        if intent.reduce_only:
            return None
        report = self.preflight
        if report is None:
            return Refused("NOT_CONNECTED", "connect first")
        if report.verdict is not Verdict.OK:
            return Refused(report.reasons[0].partition(":")[0], "; ".join(report.reasons))
        if self.gateway.skew_doubted:
            return Refused("CLOCK_UNKNOWN", "the exchange refused a request for its time; the clock is measured again")
        return None

    async def _closable(self, intent: Intent, rules: Rules) -> Decimal | Refused:
        """Return how much of a close the account can pay for: fees taken in base leave less than was bought."""
        base = rules.instrument.base
        if intent.side is Side.BUY:
            return Refused("REDUCE_ONLY", "a spot market has no short position that a purchase could close")
        reply = await self.reader.balances(Lane.STOP)
        if isinstance(reply, Unavailable):
            return intent.quantity
        whole, free = reply
        if rules.instrument.quantity_down(free[base]) <= 0:
            return Refused("REDUCE_ONLY", f"{plain(free[base])} of {plain(whole[base])} {base} are free")
        return min(intent.quantity, free[base])

    async def cancel(self, client_id: str, symbol: str) -> Outcome:
        """Take an order back. `Accepted`: the exchange says that it lives no more. Asking twice harms nothing."""
        cause = ""
        for again in (True, False):
            if self.gateway.skew_doubted:
                await self.check(lane=Lane.STOP)
            args = ("", symbol, {"clientOrderId": client_id})
            reply = await self.gateway.call("cancel_order", *args, lane=Lane.STOP, weight=WEIGHT_CANCEL)
            if reply.wait is not None:
                return Unknown(reply.wait.text)
            judged = outcome.cancelled(reply.answer, reply.error, reply.evidence, client_id)
            if isinstance(judged, Accepted):
                return judged
            found = await self._look(client_id, symbol, Lane.STOP)
            if isinstance(found, Absent):
                return Refused(NOT_FOUND, f"{client_id} is not known, asked twice")
            if isinstance(found, Found) and not found.live:
                return Accepted(found.venue_id, self._now_us(), found.filled)
            cause = judged.cause
            if isinstance(found, Unavailable) and not (again and self.gateway.skew_doubted):
                return Unknown(f"{cause}; looked up: {found.cause}")
        return Unknown(f"it may still be open: {cause}")

    # -- questions -------------------------------------------------------------------------------------------------

    async def look_up(self, client_id: str, symbol: str, *, urgent: bool = False) -> LookUp:
        """Ask for an order. `Absent` needs two such answers, the second after the visibility delay; never waits."""
        return await self._look(client_id, symbol, Lane.FOLLOW if urgent else Lane.QUERY)

    async def _look(self, client_id: str, symbol: str, lane: Lane) -> LookUp:
        args = ("", symbol, {"clientOrderId": client_id})
        reply = await self.gateway.call("fetch_order", *args, lane=lane, weight=WEIGHT_LOOK_UP)
        if reply.wait is not None:
            return Unavailable(reply.wait.text)
        found = outcome.looked_up(reply.answer, reply.error, reply.evidence, client_id)
        if isinstance(found, Missing):
            return await self._missing(client_id, symbol, lane)
        if isinstance(found, Found):
            self._missed.pop(client_id, None)
            _keep(self.filled, client_id, found.filled)
            self.reader.names.learn(symbol, found.venue_id, client_id)
        return found

    async def _missing(self, client_id: str, symbol: str, lane: Lane) -> LookUp:
        now = self.clock.monotonic()
        first = self._missed.get(client_id)
        if first is None:
            _keep(self._missed, client_id, now)
            return Unavailable(f"not found; ask again in {self.config.visibility_delay} s, it may not be visible yet")
        left = max(first, self._sent.get(client_id, first)) + self.config.visibility_delay - now
        if left > 0:
            return Unavailable(f"not found; ask again in {left:.1f} s, it may not be visible yet")
        listed = await self.reader.open_orders(symbol, lane)
        if isinstance(listed, Unavailable):
            return listed
        if any(order.client_id == client_id for order in listed):
            self._missed.pop(client_id, None)
            return Unavailable("not found by its id, but listed as open")
        return Absent()

    async def report(self, since: int, *, urgent: bool = False) -> CcxtReport | Unavailable:
        """Ask for open orders, fills since a moment (µs), balances and positions: all of it, or `Unavailable`.

        Some fills before `since` are told again, each with the same trade id. Balances come first: an order or fill
        of the meantime is then known, though its money is not counted yet.
        """
        lane = Lane.STOP if urgent else Lane.QUERY
        skew = await preflight.measure_skew(self.gateway, self.config.max_skew_ms, lane)
        if isinstance(skew, str):
            return Unavailable(skew)
        self._judge(skew, "" if self.rules else "the markets were not read yet")
        if not self.rules:
            return Unavailable("the markets were not read yet")
        money = await self.reader.balances(lane)
        if isinstance(money, Unavailable):
            return money
        orders: list[OpenOrder] = []
        fills: list[Fill] = []
        fees: dict[str, NativeFee] = {}
        symbols: dict[str, str] = {}
        for symbol, rules in self.rules.items():
            listed = await self.reader.open_orders(symbol, lane)
            if listed == [] and mapping.set_aside(rules, *money):
                # An empty list is also what a broken gateway says: money that is set aside speaks against it.
                listed = await self.reader.open_orders(symbol, lane)
            if isinstance(listed, Unavailable):
                return listed
            orders += listed
            try:
                told = await self.reader.history.since(rules, since // 1000, skew.server_ms, lane)
                fills += await self.reader.named(rules, told, lane)
            except (NotToldError, MalformedError) as error:
                return Unavailable(str(error))
            fees |= {fill.trade_id: fill.fee for fill in told}
            symbols |= dict.fromkeys((fill.trade_id for fill in told), symbol)
        held = {symbol: money[0][rules.instrument.base] for symbol, rules in self.rules.items()}
        return CcxtReport(
            ts=skew.server_ms * 1000,
            orders=tuple(orders),
            fills=tuple(sorted(fills, key=lambda fill: fill.ts)),
            balances=money[0],
            positions={symbol: quantity for symbol, quantity in held.items() if quantity != ZERO},
            symbols=symbols,
            fees=fees,
        )

    async def listing(self, symbols: Collection[str] | None = None) -> list[OpenOrder] | Unavailable:
        """Ask for the account's open orders in some symbols, or in all."""
        return await self.reader.listing(symbols, Lane.STOP)

    async def fills_of(self, client_id: str, symbol: str, *, urgent: bool = False) -> tuple[Fill, ...] | Unavailable:
        """Return every fill of one order, or `Unavailable` while fewer are told than the order says it has."""
        lane, rules = (Lane.FOLLOW if urgent else Lane.QUERY), self.rules.get(symbol)
        if rules is None:
            return Unavailable(f"{symbol} is not connected")
        found = await self._look(client_id, symbol, lane)
        if not isinstance(found, Found):
            return Unavailable("the order is absent") if isinstance(found, Absent) else found
        if not found.venue_id:
            return ()
        try:
            told = await self.reader.history.of_order(rules, found.venue_id, lane)
            fills = await self.reader.named(rules, told, lane)
        except (NotToldError, MalformedError) as error:
            return Unavailable(str(error))
        known = sum((fill.quantity for fill in fills), ZERO)
        if known < found.filled:
            return Unavailable(f"fills of {plain(known)} are told, the order says {plain(found.filled)}")
        return tuple(fills)

    def _now_us(self) -> int:
        return round(self.clock.now().timestamp() * 1000 + self.gateway.offset_ms) * 1000

    async def close(self) -> None:
        """End in order: nothing new leaves, what is on its way is waited for, then the sockets close."""
        await self.gateway.close()


def _keep(memory: OrderedDict[str, T], client_id: str, value: T) -> None:
    memory[client_id] = value
    while len(memory) > REMEMBERED:
        memory.popitem(last=False)
