"""What answers about health, the simulation and its figures look like. See `models.py`."""

from __future__ import annotations

from tradingbot.web.models import Account, Amount, Moment, Open, Reason, Strategy
from tradingbot.web.openapi import Answer


class Live(Answer):
    """Whether the process can go on by itself."""

    status: str
    uptime: float | None = None
    problem: str | None = None


class Ready(Answer):
    """Whether it trades or waits for the lease."""

    status: str
    role: str
    problem: str


class Health(Open):
    """How the bot is."""

    status: str
    problem: str
    timestamp: Moment
    version: str
    uptime: float
    database_connected: bool
    exchange_connected: bool
    simulation_running: bool
    trading_mode: str
    trading_state: str
    role: str
    active_strategies: int
    active_markets: int
    step_age_seconds: float


class Dependency(Answer):
    """Something that the bot needs."""

    name: str
    status: str
    """`up`, `down` or `unused`."""
    detail: str


class DetailedHealth(Health):
    """How the bot and everything that it needs are."""

    dependencies: list[Dependency]
    reasons: list[Reason]
    system: dict[str, float]


class Figures(Answer):
    """The figures of the day."""

    daily_pnl: Amount | None
    equity: Amount | None
    unrealized_pnl: Amount | None
    drawdown: Amount | None
    positions: int | None
    open_orders: int | None
    orders_placed: int | None
    trades: int | None
    uptime: float


class Info(Open):
    """What this bot is."""

    name: str
    version: str
    mode: str
    environment: str
    exchange: str
    market_type: str
    strategy: Strategy
    config_hash: str
    python: str
    docs: str


class SimulationStatus(Answer):
    """The simulated exchange and its account."""

    running: bool
    feed: str
    dataset: str | None
    speed: Amount
    seed: int
    initial_capital: Amount
    commission: Amount
    slippage: Amount
    tick_interval_seconds: int
    strategy_interval_seconds: int
    since: Moment | None
    account: Account | None


class Performance(Answer):
    """What the account has made since it was opened, or started anew."""

    since: Moment | None
    until: Moment | None
    days: Amount
    initial_capital: Amount
    equity: Amount
    total_return: Amount
    trades: int
    """Positions that were opened and closed again."""
    fills: int
    won: int
    lost: int
    win_rate: Amount | None
    profit_factor: Amount | None
    """Null while nothing was lost."""
    gross_profit: Amount
    gross_loss: Amount
    fees: Amount
    max_drawdown: Amount


class Reset(Answer):
    """A new account. Orders, trades, decisions and the equity curve of before stay in the database."""

    initial_capital: Amount
    kept: list[str]
    committed: bool
