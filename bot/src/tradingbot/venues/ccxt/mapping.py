"""ccxt's dictionaries ↔ ours. Exact: amounts are text in ccxt (`number: str`) and Decimal here, never floats."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import msgspec

from tradingbot.domain.events import Fill, Liquidity
from tradingbot.domain.instrument import Instrument
from tradingbot.domain.money import UNIT, ZERO, add, ceil_to, mul, plain
from tradingbot.domain.orders import Intent, OrderType, Side
from tradingbot.ports.venue import OpenOrder, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
LIVE = frozenset({"open"})
ENDED = frozenset({"closed", "canceled", "expired", "rejected"})
DECIMAL_PLACES, TICK_SIZE = 2, 4
"""ccxt's precision modes (`ccxt.DECIMAL_PLACES`, `ccxt.TICK_SIZE`)."""


class MalformedError(ValueError):
    """The exchange, or ccxt, said something that cannot be read exactly."""


class Collar(msgspec.Struct, frozen=True):
    """How far from the market a limit price may be, as multiples of the average price."""

    down: Decimal
    up: Decimal


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """An instrument and everything else that the exchange demands of an order."""

    instrument: Instrument
    market_id: str
    min_quantity: Decimal = ZERO
    max_quantity: Decimal | None = None
    max_market_quantity: Decimal | None = None
    min_price: Decimal = ZERO
    max_price: Decimal | None = None
    bid: Collar | None = None
    ask: Collar | None = None
    stops: bool = False
    """A stop that becomes a market order can rest at the exchange."""

    def within_collar(self, side: Side, price: Decimal, average: Decimal) -> bool:
        """Tell whether the exchange would take a limit price at this average price of the market."""
        collar = self.bid if side is Side.BUY else self.ask
        return collar is None or mul(average, collar.down) <= price <= mul(average, collar.up)


class Told(msgspec.Struct, frozen=True):
    """An order as the exchange tells it."""

    venue_id: str
    client_id: str | None
    symbol: str | None
    live: bool | None
    """None where the answer does not say."""
    filled: Decimal | None
    """In base currency."""
    ts: int
    """Microseconds."""


class NativeFee(msgspec.Struct, frozen=True):
    """A fee in the asset in which it was taken."""

    asset: str
    amount: Decimal


class ToldFill(msgspec.Struct, frozen=True):
    """A fill before it is known whose it is."""

    trade_id: str
    number: str
    """The exchange's own number."""
    venue_id: str
    quantity: Decimal
    price: Decimal
    fee: NativeFee
    liquidity: Liquidity
    ts: int
    side: Side | None = None


class Ticket(msgspec.Struct, frozen=True):
    """The arguments of ccxt's `create_order`."""

    symbol: str
    type: str
    side: str
    amount: str
    price: str | None
    params: dict[str, Any]


def number(value: Any, what: str) -> Decimal:
    """Read an exact number; a float is refused because it has lost its digits."""
    if isinstance(value, float | bool) or value is None:
        raise MalformedError(f"{what}: {value!r} is no exact number")
    try:
        found = Decimal(value)
    except (InvalidOperation, TypeError, ValueError) as error:
        raise MalformedError(f"{what}: {value!r} is no number") from error
    if not found.is_finite():
        raise MalformedError(f"{what}: {value!r} is not finite")
    return found


def optional(value: Any, what: str) -> Decimal | None:
    """Read an exact number that may be missing; zero counts as missing, as exchanges write it for "no limit"."""
    found = None if value is None else number(value, what)
    return found or None


# -- markets -----------------------------------------------------------------------------------------------------------


def rules(market: Mapping[str, Any], precision_mode: int) -> Rules:
    """Read a market. Raise `MalformedError` where a step is missing: without it no order can be right."""
    symbol = str(market["symbol"])
    limits = market.get("limits") or {}

    def limit(group: str, end: str) -> Decimal | None:
        return optional((limits.get(group) or {}).get(end), f"{symbol} limits.{group}.{end}")

    info = market.get("info") or {}
    filters = {row.get("filterType"): row for row in info.get("filters") or () if isinstance(row, dict)}
    bid, ask = _collars(filters)
    return Rules(
        instrument=Instrument(
            symbol=symbol,
            base=str(market["base"]),
            quote=str(market["quote"]),
            tick=_step(market["precision"].get("price"), precision_mode, f"{symbol} price step"),
            lot=_step(market["precision"].get("amount"), precision_mode, f"{symbol} quantity step"),
            min_notional=limit("cost", "min") or ZERO,
        ),
        market_id=str(market["id"]),
        min_quantity=limit("amount", "min") or ZERO,
        max_quantity=limit("amount", "max"),
        max_market_quantity=limit("market", "max"),
        min_price=limit("price", "min") or ZERO,
        max_price=limit("price", "max"),
        bid=bid,
        ask=ask,
        stops="STOP_LOSS" in (info.get("orderTypes") or ()),
    )


def _step(value: Any, mode: int, what: str) -> Decimal:
    step = number(value, what)
    if mode == DECIMAL_PLACES:
        step = Decimal(1).scaleb(-int(step))
    elif mode != TICK_SIZE:
        raise MalformedError(f"{what}: ccxt's precision mode {mode} is not a step")
    if step <= 0:
        raise MalformedError(f"{what}: {plain(step)} is no step")
    return step.normalize()


def _collars(filters: Mapping[Any, Mapping[str, Any]]) -> tuple[Collar | None, Collar | None]:
    by_side = filters.get("PERCENT_PRICE_BY_SIDE")
    if by_side is not None:
        bid, ask = (
            Collar(number(by_side[f"{side}MultiplierDown"], "collar"), number(by_side[f"{side}MultiplierUp"], "collar"))
            for side in ("bid", "ask")
        )
        return bid, ask
    both = filters.get("PERCENT_PRICE")
    if both is None:
        return None, None
    collar = Collar(number(both["multiplierDown"], "collar"), number(both["multiplierUp"], "collar"))
    return collar, collar


# -- orders ------------------------------------------------------------------------------------------------------------


def limit_price(side: Side, price: Decimal, instrument: Instrument) -> Decimal:
    """Round a limit to the tick without crossing it: never buy higher, never sell lower."""
    return instrument.price_down(price) if side is Side.BUY else instrument.price_up(price)


def stop_price(side: Side, price: Decimal, instrument: Instrument) -> Decimal:
    """Round a stop to the tick so that it fires no later: a sell stop up, a buy stop down."""
    return instrument.price_up(price) if side is Side.SELL else instrument.price_down(price)


def ticket(
    intent: Intent,
    rules: Rules,
    quantity: Decimal,
    amount_to_precision: Callable[[str, str], str],
    price_to_precision: Callable[[str, str], str],
) -> Ticket | Refused:
    """Write an intent as ccxt's arguments. We round; what ccxt would cut further is a refusal, never a surprise."""
    instrument = rules.instrument
    amount = instrument.quantity_down(min(quantity, intent.quantity))
    price = None if intent.limit_price is None else limit_price(intent.side, intent.limit_price, instrument)
    stop = None if intent.stop_price is None else stop_price(intent.side, intent.stop_price, instrument)
    refused = _against(intent, rules, amount, price, stop)
    if refused is not None:
        return refused
    for value, cut in ((amount, amount_to_precision), (price, price_to_precision), (stop, price_to_precision)):
        if value is not None and Decimal(cut(instrument.symbol, plain(value))) != value:
            return Refused("PRECISION", f"{plain(value)} is not what ccxt would send for {instrument.symbol}")
    params: dict[str, Any] = {"clientOrderId": intent.client_id}
    kind = "limit"
    if intent.type is OrderType.STOP:
        kind, price = "market", None
        params["stopLossPrice"] = plain(stop) if stop is not None else None
    elif intent.type is OrderType.MARKET and price is None:
        kind = "market"
    elif intent.type is OrderType.MARKET:
        params["timeInForce"] = "IOC"
    return Ticket(
        instrument.symbol, kind, intent.side.value, plain(amount), None if price is None else plain(price), params
    )


def _against(
    intent: Intent, rules: Rules, amount: Decimal, price: Decimal | None, stop: Decimal | None
) -> Refused | None:
    """Return why the exchange would refuse an order, where that can be known without asking it."""
    instrument = rules.instrument
    if CLIENT_ID.fullmatch(intent.client_id) is None:
        return Refused("PARAMETER", f"{intent.client_id!r} is no client order id")
    if amount <= 0 or amount < rules.min_quantity:
        return Refused("LOT_SIZE", f"{plain(amount)} {instrument.base} is less than {plain(rules.min_quantity)}")
    unpriced = intent.type is OrderType.STOP or price is None
    most = rules.max_quantity if not unpriced else rules.max_market_quantity or rules.max_quantity
    if most is not None and amount > most:
        return Refused("LOT_SIZE", f"{plain(amount)} {instrument.base} is more than {plain(most)}")
    if intent.type is OrderType.STOP and (stop is None or not rules.stops):
        return Refused("STOP_NOT_SUPPORTED", f"{instrument.symbol} takes no stop order, or it has no stop price")
    if intent.type is OrderType.LIMIT and price is None:
        return Refused("PARAMETER", f"{intent.client_id} is a limit order without a limit price")
    for value in (price, stop):
        if value is None:
            continue
        if value <= 0 or value < rules.min_price or (rules.max_price is not None and value > rules.max_price):
            return Refused("TICK_SIZE", f"{plain(value)} is no price of {instrument.symbol}")
        if mul(value, amount) < instrument.min_notional:
            least = f"{plain(instrument.min_notional)} {instrument.quote}"
            return Refused("MIN_NOTIONAL", f"{plain(mul(value, amount))} is less than {least}")
    return None


def order(answer: Any) -> Told | None:
    """Read an order, or None where there is none in the answer (a page, half a body, `{}`)."""
    if not isinstance(answer, dict) or not answer.get("id"):
        return None
    status = answer.get("status")
    told = answer.get("info")
    info = told if isinstance(told, dict) else {}
    client_id = answer.get("clientOrderId")
    try:
        filled = None if answer.get("filled") is None else number(answer["filled"], "filled")
    except MalformedError:
        return None
    return Told(
        venue_id=str(answer["id"]),
        client_id=str(client_id) if client_id else None,
        symbol=answer.get("symbol"),
        live=True if status in LIVE else False if status in ENDED else None,
        filled=filled,
        ts=1000 * int(answer.get("lastUpdateTimestamp") or answer.get("timestamp") or info.get("transactTime") or 0),
    )


def open_orders(answers: Iterable[Any]) -> list[tuple[Told, OpenOrder]]:
    """Read a list of open orders; raise where one cannot be read, as it would be forgotten otherwise."""
    found = []
    for answer in answers:
        told = order(answer)
        if told is None or told.client_id is None or told.symbol is None or told.filled is None:
            raise MalformedError("an open order without id, symbol or quantity")
        quantity = number(answer.get("amount"), "quantity of an open order")
        stop = optional(answer.get("stopPrice") or answer.get("triggerPrice"), "stop price of an open order")
        side = Side.BUY if answer.get("side") == Side.BUY.value else Side.SELL
        if answer.get("side") != side.value:
            raise MalformedError("an open order that neither buys nor sells")
        found.append((told, OpenOrder(told.client_id, told.symbol, side, quantity, told.filled, stop)))
    return found


# -- fills and balances ------------------------------------------------------------------------------------------------


def fill(trade: Any, market_id: str, quote: str) -> ToldFill:
    """Read one execution."""
    if not isinstance(trade, dict) or not trade.get("id") or not trade.get("order") or not trade.get("timestamp"):
        raise MalformedError("a fill without id, order or time")
    fee = trade.get("fee") or {}
    cost = ZERO if fee.get("cost") is None else number(fee["cost"], "fee")
    return ToldFill(
        trade_id=f"{market_id}.{trade['id']}",
        number=str(trade["id"]),
        venue_id=str(trade["order"]),
        quantity=number(trade["amount"], "quantity of a fill"),
        price=number(trade["price"], "price of a fill"),
        fee=NativeFee(str(fee.get("currency") or quote), cost),
        liquidity=Liquidity.MAKER if trade.get("takerOrMaker") == "maker" else Liquidity.TAKER,
        ts=1000 * int(trade["timestamp"]),
        side=Side(trade["side"]) if trade.get("side") in ("buy", "sell") else None,
    )


def named(told: ToldFill, client_id: str, instrument: Instrument, rates: Mapping[str, Decimal]) -> Fill:
    """Give a fill its order, and its fee in quote currency; what was taken in base is valued at the fill's price.

    Raise `MalformedError` for a fee in an asset without a rate.
    """
    fee, price = told.fee, told.price
    if fee.asset == instrument.quote or not fee.amount:
        value = fee.amount
    elif fee.asset == instrument.base:
        value = ceil_to(mul(fee.amount, price), UNIT)
    elif fee.asset in rates:
        value = ceil_to(mul(fee.amount, rates[fee.asset]), UNIT)
    else:
        raise MalformedError(f"the fee of {told.trade_id} was taken in {fee.asset}, whose price is not known")
    native = (fee.asset, fee.amount) if fee.asset != instrument.quote and fee.amount else ("", ZERO)
    return Fill(told.ts, client_id, told.trade_id, told.quantity, price, value, told.liquidity, *native)


def balances(answer: Any, assets: Iterable[str]) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """Read what is owned of each asset: (free and set aside together, free alone). An asset not told of is zero."""
    whole: dict[str, Decimal] = {}
    free: dict[str, Decimal] = {}
    for asset in sorted(set(assets)):
        row = answer.get(asset) or {"free": "0", "used": "0"}
        free[asset] = number(row.get("free"), f"free {asset}")
        whole[asset] = add(free[asset], number(row.get("used"), f"used {asset}"))
    return whole, free


def set_aside(rules: Rules, whole: Mapping[str, Decimal], free: Mapping[str, Decimal]) -> bool:
    """Tell whether money of a market's assets is set aside for an order."""
    return any(whole[asset] != free[asset] for asset in (rules.instrument.base, rules.instrument.quote))
