"""The settings. Fractions are fractions (0.15 is 15 %), money is in quote currency, durations are seconds."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, field_validator

from tradingbot.domain.instrument import MarketType, split_symbol
from tradingbot.domain.market import timeframe
from tradingbot.domain.notes import Kind
from tradingbot.risk.limits import OnBreach

Fraction = Annotated[Decimal, Field(gt=0, le=1)]
Cost = Annotated[Decimal, Field(ge=0, le=1)]


class Mode(StrEnum):
    """Whether money is real."""

    SIMULATION = "simulation"
    LIVE = "live"


class Trading(StrEnum):
    """What the configuration wants of a bot."""

    ACTIVE = "Active"
    PAUSED = "Paused"
    REDUCING = "Reducing"


class FeedType(StrEnum):
    """Where prices come from."""

    RECORDED = "Recorded"
    SYNTHETIC = "Synthetic"
    LIVE = "Live"


class Resolution(StrEnum):
    """How finely a simulated market is shown."""

    CANDLES = "Candles"
    TICKS = "Ticks"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


class BotSection(_Section):
    """Who this bot is."""

    name: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")] = "tradingbot"
    namespace: Annotated[str, Field(min_length=1, max_length=63)] = "default"

    @property
    def full_name(self) -> str:
        """Return `namespace/name`, the name in the database."""
        return f"{self.namespace}/{self.name}"


class ExchangeSection(_Section):
    """Where it trades."""

    name: str = "binance"
    market_type: MarketType = MarketType.SPOT
    test_mode: bool = True
    api_url: Annotated[str, Field(max_length=253)] = ""
    """Base address that takes the place of the exchange's own (a proxy, an exchange for tests); empty: its own."""
    rate_limit_per_minute: Annotated[int, Field(ge=1, le=100_000)] = 1200
    order_confirmation_threshold: Annotated[Decimal, Field(gt=0)] | None = None
    """Live orders of a larger value in quote currency wait for a person; without it none waits."""
    order_confirmation_seconds: Annotated[int, Field(ge=1, le=86_400)] = 300
    """How long such an order waits before it is given up."""
    api_key: SecretStr | None = None
    api_secret: SecretStr | None = None

    @field_validator("api_url")
    @classmethod
    def _api_url(cls, value: str) -> str:
        if not value:
            return value
        try:
            address = urlsplit(value)
            plain = not (address.query or address.fragment or address.username or address.password)
            good = address.scheme in {"https", "http"} and bool(address.hostname) and plain and address.port != 0
        except ValueError:
            good = False
        if not good:
            raise ValueError("write an address without user, query or fragment, like https://proxy.example.org/binance")
        return value.rstrip("/")


class StrategySection(_Section):
    """What it trades, and how. `parameters` are the strategy's own."""

    name: str
    symbols: Annotated[list[str], Field(min_length=1, max_length=50)] = ["BTC/USD"]
    timeframe: str = "1m"
    parameters: dict[str, Any] = {}

    @field_validator("symbols")
    @classmethod
    def _symbols(cls, value: list[str]) -> list[str]:
        for symbol in value:
            split_symbol(symbol)
        if len(set(value)) != len(value):
            raise ValueError("each symbol may be listed once")
        quotes = {split_symbol(symbol)[1] for symbol in value}
        if len(quotes) > 1:
            raise ValueError(f"all symbols of a bot have one quote currency, these have {', '.join(sorted(quotes))}")
        return value

    @field_validator("timeframe")
    @classmethod
    def _timeframe(cls, value: str) -> str:
        timeframe(value)
        return value


class RiskSection(_Section):
    """The limits that every order is held against."""

    max_drawdown: Fraction = Decimal("0.15")
    daily_loss_limit: Fraction = Decimal("0.03")
    max_position_size: Fraction = Decimal("0.25")
    risk_per_trade: Fraction = Decimal("0.01")
    max_open_positions: Annotated[int, Field(ge=1, le=1000)] = 5
    min_risk_reward_ratio: Annotated[Decimal, Field(ge=0, le=1000)] = Decimal("3.0")
    max_order_value: Annotated[Decimal, Field(gt=0)] | None = None
    """Largest value of one order in quote currency; without it, max_position_size alone limits an order."""
    max_orders_per_minute: Annotated[int, Field(ge=1, le=10_000)] = 60
    price_collar: Fraction = Decimal("0.05")
    max_price_jump: Fraction = Decimal("0.2")
    """A price further from the one before it counts only once a second one confirms it."""
    max_stop_distance: Fraction | None = None
    """Largest distance of a stop-loss from the price; without it, ten times price_collar."""
    max_target_distance: Fraction | None = None
    """A take-profit further from the price is moved there, before the reward is judged."""
    min_confidence: Annotated[Decimal, Field(ge=0, le=1)] | None = None
    """A signal whose strategy states less, or nothing, opens no position."""
    autonomous: bool = True
    """false: every entry of the strategy waits for a person, for exchange.order_confirmation_seconds at most."""
    on_breach: OnBreach = OnBreach.HOLD


class FeedSection(_Section):
    """Market data of a simulation."""

    type: FeedType = FeedType.SYNTHETIC
    dataset: str = "recorded"
    resolution: Resolution = Resolution.CANDLES
    """Candles, or every trade of the market, and the candles made of them."""
    speed: Annotated[Decimal, Field(ge=0, le=1_000_000)] = Decimal(1)
    """Market seconds per wall second; 0 is as fast as it can."""
    loop: bool = False


Chance = Annotated[Decimal, Field(ge=0, le=1)]


class FaultsSection(_Section):
    """What goes wrong at the simulated exchange: the probability of each kind, 0 never, 1 always. Seeded."""

    reject: Chance = Decimal(0)
    """An order is refused."""
    rate_limit: Chance = Decimal(0)
    """An order or a cancel is refused, as with the status 429."""
    lost: Chance = Decimal(0)
    """An order gets no answer, and never arrived."""
    timeout: Chance = Decimal(0)
    """An order gets no answer, and was accepted."""
    duplicate_fill: Chance = Decimal(0)
    """A fill is reported twice."""
    late_fill: Chance = Decimal(0)
    """A fill is reported `late_seconds` after it happened."""
    late_seconds: Annotated[int, Field(ge=1, le=86_400)] = 2
    empty_book: Chance = Decimal(0)
    """For a minute nothing is executed."""


class SimulationSection(_Section):
    """The simulated exchange."""

    initial_capital: Annotated[Decimal, Field(gt=0, le=Decimal("1e15"))] = Decimal(10_000)
    commission: Cost = Decimal("0.001")
    maker_commission: Cost | None = None
    """Fee of an order that waited for others; the same as `commission` unless it is given."""
    slippage: Cost = Decimal("0.0001")
    spread: Cost = Decimal("0.0002")
    volume_share: Fraction = Decimal("0.1")
    depth: Annotated[Decimal, Field(gt=0)] = Decimal(100_000)
    """On ticks, the value in quote currency that can be taken at one time."""
    latency_milliseconds: Annotated[int, Field(ge=0, le=60_000)] = 50
    cancel_latency_milliseconds: Annotated[int, Field(ge=0, le=60_000)] = 0
    """While a cancel is on its way, the order can still execute."""
    fill_latency_milliseconds: Annotated[int, Field(ge=0, le=60_000)] = 0
    faults: FaultsSection = FaultsSection()
    tick_interval_seconds: Annotated[int, Field(ge=1, le=86_400)] = 5
    strategy_interval_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    feed: FeedSection = FeedSection()


class ApprovalSection(_Section):
    """Who said that this bot may trade for real, to what exactly, and until when."""

    digest: Annotated[str, Field(max_length=200)] = ""
    approved_by: Annotated[str, Field(max_length=253)] = ""
    expires_at: AwareDatetime | None = None
    account: Annotated[str, Field(max_length=128)] = ""
    """Fingerprint of the key that was approved; with another key the bot does not start. Empty: any."""
    build: Annotated[str, Field(max_length=128)] = ""
    """Fingerprint of the code that was approved, as `tradingbot preflight` says it; another build opens nothing."""


class DatabaseSection(_Section):
    """PostgreSQL, or a folder for a bot that runs alone."""

    url: SecretStr | None = None
    path: str = ""
    """Without a URL: the folder of the SQLite ledgers, one file per mode."""
    pool_size: Annotated[int, Field(ge=1, le=100)] = 5
    max_overflow: Annotated[int, Field(ge=0, le=100)] = 10
    keep_decisions_days: Annotated[int, Field(ge=1, le=36_500)] = 30
    keep_equity_days: Annotated[int, Field(ge=1, le=36_500)] = 365
    """Older decisions and points of the equity curve are deleted; trades, orders and postings never are."""


class RedisSection(_Section):
    """Redis, where a bot has one."""

    url: SecretStr | None = None


class HttpSection(_Section):
    """The bot's own endpoints."""

    host: str = "0.0.0.0"  # noqa: S104 - a pod's probes and Service come from outside
    port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    api_key: SecretStr | None = None

    @field_validator("api_key")
    @classmethod
    def _api_key(cls, value: SecretStr | None) -> SecretStr | None:
        # A Secret that was made from a file often ends in a line break, which no header can carry.
        return None if value is None else SecretStr(value.get_secret_value().strip())


class TelegramSection(_Section):
    """A Telegram chat."""

    enabled: bool = True
    bot_token: SecretStr | None = None
    chat_id: str = ""
    api_url: Annotated[str, Field(pattern=r"^(https?://[^\s/]+(/[^\s]*)?)?$")] = ""
    """Base address of a Bot API server of one's own, in the place of https://api.telegram.org."""


class WebhookSection(_Section):
    """An incoming webhook of Slack or Discord."""

    enabled: bool = True
    webhook_url: SecretStr | None = None


class EmailSection(_Section):
    """A mail server."""

    enabled: bool = True
    host: str = ""
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    starttls: bool = True
    username: SecretStr | None = None
    password: SecretStr | None = None
    sender: str = ""
    recipients: Annotated[list[str], Field(max_length=20)] = []

    @field_validator("recipients", mode="before")
    @classmethod
    def _recipients(cls, value: Any) -> Any:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


class NotificationsSection(_Section):
    """Who is told, and of what. A channel that is not there is not used."""

    telegram: TelegramSection | None = None
    slack: WebhookSection | None = None
    discord: WebhookSection | None = None
    email: EmailSection | None = None
    kinds: list[Kind] = list(Kind)


class KubernetesSection(_Section):
    """The object that this bot watches, when it runs under the operator."""

    name: str = ""
    uid: str = ""
    pod: str = ""
    namespace: str = ""
    api_url: str = ""
    """Set for tests and for a proxy; otherwise the pod's own service account says where the API server is."""


class Settings(_Section):
    """Everything."""

    bot: BotSection = BotSection()
    mode: Mode = Mode.SIMULATION
    approved: bool = False
    approval: ApprovalSection | None = None
    order_confirmation_required: bool = True
    trading: Trading = Trading.ACTIVE
    environment: str = "Development"
    log_level: Annotated[str, Field(pattern=r"^(DEBUG|INFO|WARNING|ERROR)$")] = "INFO"
    enable_metrics: bool = True
    data_path: str = ""
    """A folder with more recorded candles, beside those that come with the bot."""
    exchange: ExchangeSection = ExchangeSection()
    strategy: StrategySection
    risk: RiskSection = RiskSection()
    simulation: SimulationSection = SimulationSection()
    database: DatabaseSection = DatabaseSection()
    redis: RedisSection = RedisSection()
    http: HttpSection = HttpSection()
    notifications: NotificationsSection = NotificationsSection()
    kubernetes: KubernetesSection = KubernetesSection()
    config_hash: str = ""
    """sha256 of the configuration file, empty without one."""
