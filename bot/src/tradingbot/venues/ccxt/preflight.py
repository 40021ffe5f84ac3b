"""What has to be true before an order is sent: clock, rights of the key, markets, reachability."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from tradingbot.venues.ccxt.limits import Lane

if TYPE_CHECKING:
    from tradingbot.venues.ccxt.gateway import Gateway

WEIGHT_TIME = 1
WEIGHT_RIGHTS = 1


class Right(StrEnum):
    """What a key may do. `UNKNOWN` is an answer of its own and never counts as no."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


class Verdict(StrEnum):
    """Whether entries may be sent."""

    OK = "ok"
    REFUSED = "refused"
    UNKNOWN = "unknown"


class Rights(msgspec.Struct, frozen=True):
    """Rights of the key."""

    trade: Right = Right.UNKNOWN
    withdraw: Right = Right.UNKNOWN
    bound_to_address: Right = Right.UNKNOWN
    cause: str = ""


class Skew(msgspec.Struct, frozen=True):
    """The exchange's clock against ours. Milliseconds."""

    offset_ms: int
    """The exchange's time minus ours, at the middle of the request."""
    uncertainty_ms: int
    """Half of the round trip."""
    server_ms: int
    """The exchange's time."""
    bound_ms: int

    @property
    def ok(self) -> bool:
        """Tell whether the difference is surely within the bound."""
        return abs(self.offset_ms) + self.uncertainty_ms <= self.bound_ms


class Preflight(msgspec.Struct, frozen=True, kw_only=True):
    """The report. Nothing in it is secret."""

    exchange: str
    test_mode: bool
    proven: bool
    """The meaning of this exchange's answers was measured, not assumed."""
    key: str
    """Fingerprint of the key id."""
    reachable: bool
    skew: Skew | None
    rights: Rights
    symbols: dict[str, bool]
    """By symbol, whether a stop-loss can rest at the exchange."""
    dead_man_switch: bool
    verdict: Verdict
    reasons: tuple[str, ...] = ()

    def json(self) -> dict[str, Any]:
        """Return plain JSON types."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        found["reasons"] = list(self.reasons)
        if self.skew is not None:
            found["skew"]["ok"] = self.skew.ok
        return found


async def measure_skew(gateway: Gateway, bound_ms: int, lane: Lane = Lane.QUERY) -> Skew | str:
    """Ask for the exchange's time; return the skew, or why it is not known."""
    begun, wall = gateway.clock.monotonic(), gateway.clock.now()
    reply = await gateway.call("fetch_time", lane=lane, weight=WEIGHT_TIME)
    trip_ms = (gateway.clock.monotonic() - begun) * 1000
    if reply.problem:
        return reply.problem
    if not isinstance(reply.answer, int) or reply.answer <= 0:
        return f"the exchange's time is {reply.answer!r}"
    middle_ms = wall.timestamp() * 1000 + trip_ms / 2
    return Skew(round(reply.answer - middle_ms), round(trip_ms / 2), reply.answer, bound_ms)


def tells_rights(gateway: Gateway) -> bool:
    """Tell whether the exchange says what a key may do: only Binance does, and not on its test exchange."""
    return gateway.exchange == "binance" and not gateway.test_mode


async def rights(gateway: Gateway) -> Rights:
    """Ask what the key may do."""
    if not tells_rights(gateway):
        return Rights(cause=f"{gateway.exchange} does not tell what a key may do" + " in test mode" * gateway.test_mode)
    reply = await gateway.call("sapiGetAccountApiRestrictions", lane=Lane.QUERY, weight=WEIGHT_RIGHTS)
    if reply.problem:
        return Rights(cause=reply.problem)
    told = reply.answer if isinstance(reply.answer, dict) else {}
    return Rights(
        trade=_right(told.get("enableSpotAndMarginTrading")),
        withdraw=_withdraw(told),
        bound_to_address=_right(told.get("ipRestrict")),
    )


def _right(value: Any) -> Right:
    return {True: Right.YES, False: Right.NO}.get(value, Right.UNKNOWN) if isinstance(value, bool) else Right.UNKNOWN


def _withdraw(told: dict[str, Any]) -> Right:
    """Money can leave by a withdrawal or by a transfer to another account."""
    found = [_right(told.get(name)) for name in ("enableWithdrawals", "enableInternalTransfer")]
    if Right.YES in found:
        return Right.YES
    return Right.NO if found == [Right.NO, Right.NO] else Right.UNKNOWN


def judge(
    reachable: str,
    skew: Skew | str,
    rights: Rights,
    untraded: tuple[str, ...] = (),
    *,
    proven: bool,
    test_mode: bool,
    accept_unknown: bool,
) -> tuple[Verdict, tuple[str, ...]]:
    """Return whether entries may be sent, and every reason against it. `reachable` is empty or says why not."""
    refused: list[str] = []
    unknown: list[str] = []
    if reachable:
        unknown.append(f"UNREACHABLE: {reachable}")
    if isinstance(skew, str):
        unknown.append(f"CLOCK_UNKNOWN: {skew}")
    elif not skew.ok:
        text = f"the clocks differ by {skew.offset_ms} ms (± {skew.uncertainty_ms}), {skew.bound_ms} ms are allowed"
        refused.append(f"CLOCK_SKEW: {text}; set this machine's time (NTP)")
    refused.extend(f"UNKNOWN_SYMBOL: {text}" for text in untraded)
    if rights.withdraw is Right.YES:
        refused.append("KEY_MAY_WITHDRAW: make a key without the right to withdraw or transfer")
    if rights.trade is Right.NO:
        refused.append("KEY_MAY_NOT_TRADE: this key may only read")
    if rights.withdraw is Right.UNKNOWN and not test_mode and not accept_unknown:
        unknown.append(f"KEY_RIGHTS_UNKNOWN: {rights.cause or 'the exchange did not say'}")
    if not proven and not test_mode:
        unknown.append("EXCHANGE_NOT_PROVEN: what its answers mean was never measured; use test mode")
    if refused:
        return Verdict.REFUSED, (*refused, *unknown)
    return (Verdict.UNKNOWN if unknown else Verdict.OK), tuple(unknown)
