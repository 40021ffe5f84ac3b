"""What requests may say. Numbers have bounds, so that none is too long to be exact; percent where the name says so."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StrictBool, StringConstraints, field_validator

from tradingbot.domain.money import plain
from tradingbot.risk.limits import LARGER_IS_TIGHTER, OnBreach
from tradingbot.web.openapi import Ask

Reason = Annotated[str, StringConstraints(max_length=200), Field(description="Why, in your own words; recorded.")]
Symbol = Annotated[str, StringConstraints(max_length=40), Field(examples=["BTC/USD"])]
Price = Annotated[Decimal, Field(ge=Decimal("1e-10"), le=Decimal("1e13"), max_digits=60, examples=["60000.5"])]
Fraction = Annotated[Decimal, Field(ge=Decimal("1e-6"), le=1, max_digits=60, examples=["0.1"])]
Share = Annotated[Decimal, Field(ge=0, le=1, max_digits=60, examples=["0.6"])]
Percent = Annotated[Decimal, Field(ge=Decimal("1e-4"), le=100, max_digits=60, examples=["10"])]
Breach = Annotated[OnBreach, Field(description="What becomes of positions when a loss limit is reached.")]
Cursor = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{1,18}(~[A-Za-z0-9._-]{1,80})?$"),
    Field(description="`next` of the page before, or a market_ts: older rows follow."),
]
Limit = Annotated[int, Field(ge=1, le=1000, description="Rows at most.")]


Numbered = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{1,18}(~[0-9]{1,18})?$"),
    Field(description="`next` of the page before, or a market_ts: older rows follow."),
]


class Side(StrEnum):
    """Direction."""

    BUY = "buy"
    SELL = "sell"


class Start(Ask):
    """What may be said when a pause is lifted. Limits are changed first; what cannot be is refused, not ignored."""

    asset_pairs: Annotated[list[Symbol], Field(max_length=50)] | None = None
    autonomous: Annotated[
        StrictBool | None, Field(description="false: every entry of the strategy waits for a person's word.")
    ] = None
    take_profit: Annotated[
        Fraction | None, Field(description="Largest distance of a take-profit from the price: max_target_distance.")
    ] = None
    stop_loss: Annotated[
        Fraction | None, Field(description="Largest distance of a stop-loss from the price: max_stop_distance.")
    ] = None
    confidence_threshold: Annotated[
        Share | None, Field(description="Least confidence of a signal, 0 to 1: min_confidence.")
    ] = None
    dry_run: StrictBool | None = None
    reason: Reason = "asked for over the API"

    def limits(self) -> dict[str, str]:
        """Return the limits that are named, by our own names, as text."""
        named = {
            "max_stop_distance": self.stop_loss,
            "max_target_distance": self.take_profit,
            "min_confidence": self.confidence_threshold,
            "autonomous": self.autonomous,
        }
        written = {name: _text(name, value) for name, value in named.items()}
        return {name: text for name, text in written.items() if text is not None}


class Why(Ask):
    """A reason."""

    reason: Reason = "asked for over the API"


class Resume(Ask):
    """Which stop or halt to lift."""

    stop_id: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    """Its id, from `stop.id` or `reasons[].id` of the status."""
    reason: Reason = "asked for over the API"


class EmergencyStop(Ask):
    """What becomes of positions."""

    close_positions: Annotated[bool, Field(description="Close all positions at market as well.")] = False
    reason: Reason = "asked for over the API"


class ManualTrade(Ask):
    """A position of your own. The same limits hold for it as for the strategy's."""

    asset_pair: Symbol
    action: Annotated[Side, Field(description="`buy` opens a long position, `sell` a short one.")]
    size: Annotated[
        Price | None, Field(description="In base currency: taken whole or denied. Without it, what the limits allow.")
    ] = None
    price: Annotated[
        Price | None, Field(description="Worst price. The order executes at once, there or better, or expires.")
    ] = None
    stop_loss: Annotated[Price, Field(description="Price at which the position is given up.")]
    take_profit: Annotated[Price, Field(description="Price at which the profit is taken.")]
    reason: Reason = "manual trade over the API"

    @field_validator("action", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        words = {"long": "buy", "short": "sell"}
        return words.get(value.lower(), value.lower()) if isinstance(value, str) else value


class FlagValue(Ask):
    """On or off."""

    enabled: StrictBool


class DecisionAsk(Ask):
    """For which symbol; all of them without one."""

    asset_pair: Symbol | None = None


def _text(name: str, value: Decimal | bool | int | OnBreach | None) -> str | None:
    """Write a limit as text. What has more digits than anybody means is cut to the tighter side, so it stays exact."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, Decimal):
        return str(value)
    tighter = ROUND_CEILING if ALIASES.get(name, name) in LARGER_IS_TIGHTER else ROUND_FLOOR
    return plain((value / 100 if name.endswith("_pct") else value).quantize(DIGITS, tighter))


class ConfigPatch(Ask):
    """Limits to change; null takes a change back. Fractions are fractions (0.1 is 10 %), `…_pct` is percent."""

    max_drawdown: Fraction | None = None
    daily_loss_limit: Fraction | None = None
    max_position_size: Fraction | None = None
    risk_per_trade: Fraction | None = None
    max_open_positions: Annotated[int, Field(ge=1, le=1000)] | None = None
    min_risk_reward_ratio: Annotated[Decimal, Field(ge=0, le=1000, max_digits=60)] | None = None
    max_order_value: Price | None = None
    max_orders_per_minute: Annotated[int, Field(ge=1, le=10_000)] | None = None
    max_stop_distance: (
        Annotated[Fraction, Field(description="Largest distance of a stop-loss from the price.")] | None
    ) = None
    max_target_distance: (
        Annotated[Fraction, Field(description="Largest distance of a take-profit: a further one is moved there.")]
        | None
    ) = None
    min_confidence: Annotated[Share, Field(description="Least confidence of a signal, 0 to 1.")] | None = None
    autonomous: Annotated[StrictBool, Field(description="false: every entry waits for a person's word.")] | None = None
    price_collar: Fraction | None = None
    max_price_jump: (
        Annotated[Fraction, Field(description="A price further from the one before it needs a second one.")] | None
    ) = None
    on_breach: Breach | None = None
    stop_loss_pct: Annotated[Percent, Field(description="max_stop_distance in percent.")] | None = None
    position_size_pct: Annotated[Percent, Field(description="max_position_size in percent.")] | None = None
    max_concurrent_trades: Annotated[int, Field(ge=1, le=1000, description="max_open_positions.")] | None = None
    confidence_threshold: Annotated[Share, Field(description="min_confidence.")] | None = None
    reason: Reason = "changed over the API"

    def twice(self) -> list[tuple[str, str]]:
        """Return limits that are named by both of their names."""
        return [(alias, name) for alias, name in ALIASES.items() if {alias, name} <= self.model_fields_set]

    def changes(self) -> dict[str, str | None]:
        """Return what is to change, by our own names, as text."""
        found: dict[str, str | None] = {}
        for name in sorted(self.model_fields_set - {"reason"}):
            found[ALIASES.get(name, name)] = _text(name, getattr(self, name))
        return found


DIGITS = Decimal("1e-10")
ALIASES = {
    "stop_loss_pct": "max_stop_distance",
    "position_size_pct": "max_position_size",
    "max_concurrent_trades": "max_open_positions",
    "confidence_threshold": "min_confidence",
}
"""Names of the trading system that this API follows, and ours."""


class Page(Ask):
    """Which rows, newest first."""

    limit: Limit = 50
    before: Cursor | None = None


class EquityPage(Page):
    """Which points, newest first."""

    before: Numbered | None = None
    limit: Limit = 500


class TradePage(Page):
    """Which trades."""

    symbol: Symbol | None = None
    side: Side | None = None
    role: Annotated[str, StringConstraints(max_length=20)] | None = None
    strategy: Annotated[str, StringConstraints(max_length=80)] | None = None
    client_id: Annotated[str, StringConstraints(max_length=80)] | None = None


class OrderPage(TradePage):
    """Which orders."""

    state: Annotated[str, StringConstraints(max_length=20, to_upper=True)] | None = None


class DecisionPage(Page):
    """Which decisions."""

    before: Numbered | None = None
    symbol: Symbol | None = None
    action: Literal["enter", "exit"] | None = None
    approved: bool | None = None
    code: Annotated[str, StringConstraints(max_length=40, to_upper=True)] | None = None
    strategy: Annotated[str, StringConstraints(max_length=80)] | None = None
