"""What answers look like. Documentation of `answers.py`, and what the contract test holds the bot to."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from tradingbot.web.openapi import Answer

Amount = Annotated[str, Field(pattern=r"^-?[0-9]+(\.[0-9]+)?$", examples=["10250.5"])]
"""A decimal number as text, so that no digit is lost."""
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-25T09:00:00Z"])]


class Open(Answer):
    """An answer that may grow."""

    model_config = ConfigDict(extra="allow")


class Reason(Answer):
    """What restricts trading."""

    source: str
    state: str
    reason: str
    id: str | None
    """What a resume has to name, where it needs one."""


class Stop(Answer):
    """The emergency stop that counts."""

    id: str
    since: Moment
    source: str
    reason: str
    close_positions: bool
    durable: bool
    """Whether the database holds the stop, as it is told here. Until it does, the stop holds in this process alone."""
    outcome: dict[str, Any] | None


class LastStop(Answer):
    """The emergency stop that was resumed last."""

    id: str
    resumed_at: Moment
    reason: str


class Approval(Answer):
    """What a live bot may trade by."""

    digest: str
    expires_at: Moment | None
    valid: bool


class Promotion(Answer):
    """Figures of the simulation's own ledger."""

    days: Amount
    """Market days."""
    trades: int
    """Round trips."""
    max_drawdown: Amount
    """As a fraction of the peak."""
    profit_factor: str | None
    """Gains over losses, after fees; Infinity without a loss, null without a trade."""


class WaitingOrder(Answer):
    """An order that waits for a person."""

    client_id: str
    symbol: str
    side: str
    quantity: Amount
    """The most that it may become."""
    value: Amount
    """In quote currency, when it was decided."""
    stop_loss: Amount
    take_profit: Amount
    strategy: str
    reason: str
    since: Moment
    expires_at: Moment


class WaitingOrders(Answer):
    """Orders that wait for a person."""

    orders: list[WaitingOrder]


class Status(Open):
    """State, without balances."""

    bot: str
    version: str
    mode: str
    state: str
    """ACTIVE, PAUSED, REDUCING, HALTED or KILLED: the most restrictive of all sources."""
    role: str
    ready: bool
    config_hash: str
    epoch: int
    positions: int | None
    """Null, as the orders below, before the ledger was read, and while another process trades."""
    open_orders: int | None
    entry_orders: int | None
    """Open orders that would open or enlarge a position."""
    entries_gone: bool | None
    """There is none, and of a live bot the exchange has said so: it was asked for every order of this bot's name."""
    account: Any
    """Fingerprint of the key of a live bot, else null; money, in /api/v1/bot/status."""
    approval: Approval | None
    promotion: Promotion | None
    """What the simulation has shown with its present strategy and limits."""
    confirmations: int
    """Orders that wait for a person, in /api/v1/bot/orders/waiting."""
    reasons: list[Reason]
    stop: Stop | None
    last_stop: LastStop | None


class Account(Answer):
    """Money in quote currency; times of the market."""

    market_time: Moment
    currency: str
    equity: Amount
    capital: Amount
    cash: Amount
    unrealized: Amount
    realized: Amount
    fees: Amount
    peak: Amount
    drawdown: Amount
    day_start: Amount
    day_change: Amount
    prices: dict[str, Amount]


class Strategy(Answer):
    """What trades."""

    name: str
    symbols: list[str]
    timeframe: str
    parameters: dict[str, str]


class BotStatus(Status):
    """State and account."""

    strategy: Strategy
    uptime: float
    problem: str
    database_connected: bool
    speed: Amount
    account: Account | None


class Position(Answer):
    """An open position."""

    id: str
    symbol: str
    direction: str
    quantity: Amount
    average_price: Amount | None
    price: Amount | None
    value: Amount
    unrealized: Amount
    stop_loss: Amount | None
    take_profit: Amount | None
    strategy: str
    opened: Moment


class WorkingOrder(Open):
    """An order that may still execute."""

    client_id: str
    symbol: str
    side: str
    type: str
    role: str
    state: str
    quantity: Amount
    filled: Amount
    limit_price: Amount | None
    stop_price: Amount | None
    ts: Moment


class Positions(Answer):
    """What is open."""

    positions: list[Position]
    orders: list[WorkingOrder]


class Decision(Answer):
    """What was proposed and what the risk gate said."""

    seq: int
    symbol: str
    strategy: str
    action: str
    side: str
    approved: bool
    code: str
    """Why not, empty when approved."""
    meaning: str
    """The code in words."""
    facts: list[Any] | dict[str, Any]
    """The figures that led to it."""
    reason: str
    client_id: str
    market_ts: int
    decided_at: Moment


class Decisions(Answer):
    """A page of decisions."""

    decisions: list[Decision]
    next: str | None
    """For `before` of the next page; null at the end."""


class Preview(Answer):
    """What would be decided if a candle closed now at the last price. Nothing is recorded, nothing is traded."""

    decisions: list[Decision]


class Done(Answer):
    """What became of a command."""

    decision: Decision | None
    committed: bool
    """False while the database does not answer; it takes effect when it does."""


class Trade(Open):
    """An execution."""

    trade_id: str
    client_id: str
    symbol: str
    side: str
    role: str
    quantity: Amount
    price: Amount
    fee: Amount
    realized: Amount
    market_ts: int
    executed_at: Moment


class Trades(Answer):
    """A page of trades."""

    trades: list[Trade]
    next: str | None


class OrderRow(Open):
    """An order, whatever became of it."""

    client_id: str
    symbol: str
    side: str
    role: str
    state: str
    quantity: Amount
    filled: Amount
    average_price: Amount | None
    fees: Amount
    note: str
    market_ts: int
    created_at: Moment


class Orders(Answer):
    """A page of orders."""

    orders: list[OrderRow]
    next: str | None


class EquityPoint(Answer):
    """A point of the equity curve."""

    market_ts: int
    at: Moment
    equity: Amount
    cash: Amount
    unrealized: Amount
    peak: Amount
    day_start: Amount


class Equity(Answer):
    """A page of the equity curve."""

    equity: list[EquityPoint]
    next: str | None


class Limits(Answer):
    """Limits, those of the configuration, and what was changed since."""

    effective: dict[str, str | int | bool | None]
    configured: dict[str, str | int | bool | None]
    changed: dict[str, str]
    committed: bool


class Paused(Answer):
    """A pause."""

    state: str
    reasons: list[Reason]
    durable: bool
    """Whether a restart keeps it already; otherwise it is being written."""


class Codes(Answer):
    """Every denial code with its meaning."""

    codes: dict[str, str]


class Flag(Answer):
    """A feature flag."""

    name: str
    enabled: bool


class Switch(Answer):
    """A flag that steers."""

    name: str
    enabled: bool
    off: str
    """What it means that it is off."""


class FlagList(Answer):
    """All feature flags."""

    flags: dict[str, bool]
    """What Redis holds."""
    steering: list[Switch]
    """The flags that steer this bot, as it goes by them now."""
