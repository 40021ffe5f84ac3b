"""TradingBot: one bot, one strategy, one database."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from tradingbot_operator.api.markers import Rule, RuleReason, Text, list_map
from tradingbot_operator.api.model import ApiModel, ObjectMeta, StatusModel
from tradingbot_operator.api.names import TRADING_BOT, TRADING_BOT_NAME_MAX
from tradingbot_operator.api.v1alpha1.common import (
    Conditions,
    ImageReference,
    LocalReference,
    ObservedGeneration,
    ResourceRequirements,
    Scheduling,
    name_rule,
)
from tradingbot_operator.api.v1alpha1.connections import ControlApi, Database, Exchange, Notifications, Redis
from tradingbot_operator.api.v1alpha1.live import GateStatus, LiveStatus, PreflightStatus
from tradingbot_operator.api.v1alpha1.safety import (
    Approval,
    ApprovalStatus,
    BotRole,
    BotState,
    DeletionPolicy,
    EmergencyStop,
    EmergencyStopStatus,
    LastStop,
    Mode,
    Resume,
    TradingState,
    UserName,
)
from tradingbot_operator.api.v1alpha1.trading import Promotion, Risk, Simulation, Strategy


class Profile(StrEnum):
    """What the bot is used for, which gives its size."""

    DEVELOPMENT = "Development"
    BACKTESTING = "Backtesting"
    LIVE_TRADING = "LiveTrading"
    HIGH_FREQUENCY = "HighFrequency"


class Environment(StrEnum):
    """Where in its life the bot is."""

    DEVELOPMENT = "Development"
    STAGING = "Staging"
    PRODUCTION = "Production"


class LogLevel(StrEnum):
    """How much is logged."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class ImagePullPolicy(StrEnum):
    """When the image is pulled."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class Update(ApiModel):
    """How a new configuration or image takes over. What ran before runs on until the new one is healthy."""

    backup_first: bool = False
    """Whether the database is backed up before the change. Needs a BackupSchedule of the same database. Without effect
    in this version, which makes no backups yet."""
    health_timeout_seconds: Annotated[int, Field(ge=10, le=3600)] = 120
    """Seconds that the new version has to become healthy."""
    rollback: bool = True
    """Whether the previous version comes back when the new one does not become healthy in time. Without effect in this
    version: the previous pod runs on in any case until the new one is healthy."""


class TradingBotSpec(ApiModel):
    """What the bot is to do. Only strategy and database must be given; with nothing else it simulates."""

    mode: Mode = Mode.SIMULATION
    """simulation fills orders in a simulated exchange. live sends them to the exchange, and needs
    exchange.credentialsSecretRef and a valid approval; until then the bot goes on simulating and says why."""
    trading: TradingState = TradingState.ACTIVE
    """Active trades. Paused opens no positions and cancels entry orders; open positions are still managed. Reducing is
    the same for a bot that is to come to its end: only exits. For an emergency use emergencyStop."""
    emergency_stop: EmergencyStop | None = None
    """Stops all trading at once: kubectl patch tbot NAME --type merge -p '{"spec":{"emergencyStop":{"active":true}}}'

    The stop is latched the first time that active is seen true: setting it back to false, applying an old file or
    deleting the object does not resume trading; only spec.resume with the id of this stop does. No other rule of the
    schema stands in the way of a stop."""
    resume: Resume | None = None
    approval: Approval | None = None
    requested_by: UserName | None = None
    """User name of the person who asks for live trading, as the cluster knows it. The approver must be another one."""
    image: ImageReference | None = None
    """Image of the bot. Without it, the one that the operator was installed with."""
    image_pull_policy: ImagePullPolicy | None = None
    """When the image is pulled. Without it: Always for the tag latest, else IfNotPresent."""
    image_pull_secrets: Annotated[tuple[LocalReference, ...], Field(max_length=16), list_map("name")] = ()
    """Secrets with the registry's accounts."""
    profile: Profile = Profile.DEVELOPMENT
    """Size of the bot by its use, as CPUs and memory that it may use: Development 2 and 2Gi, Backtesting 2 and 4Gi,
    LiveTrading 2 and 4Gi, HighFrequency 4 and 8Gi. resources overrides it."""
    resources: ResourceRequirements | None = None
    """CPU and memory of the bot, when profile does not fit. What is given here replaces the profile's amount of the
    same name."""
    environment: Environment = Environment.DEVELOPMENT
    """Where in its life the bot is, for logs, metrics and alerts. It changes no limit and no mode."""
    log_level: LogLevel = LogLevel.INFO
    """The least important messages that are logged."""
    exchange: Exchange = Exchange()
    """The exchange whose markets are traded. Default: Binance spot."""
    strategy: Strategy
    """What decides about entries and exits."""
    risk: Risk = Risk()
    simulation: Simulation = Simulation()
    """The simulated exchange that takes the orders while mode is simulation."""
    database: Database
    """The PostgreSQL database with the bot's orders, trades, positions and latches. Simulation and live need one
    each."""
    redis: Redis | None = None
    api: ControlApi | None = None
    notifications: Notifications | None = None
    promotion: Promotion | None = None
    """What the simulation must have shown before an approval of live trading counts. Without it, an approval alone
    decides."""
    update: Update = Update()
    deletion_policy: DeletionPolicy = DeletionPolicy.RETAIN
    """What happens at the exchange when this object is deleted: Retain leaves orders and positions, CancelOrders
    cancels the orders that would open positions (protective stops stay), Flatten closes the positions too. Only a live
    bot with one of the latter is held by a finalizer until the exchange has confirmed it. The database is never
    touched."""
    scheduling: Scheduling | None = None
    """Which nodes the bot may run on, and how important it is."""

    # A rule here is asked again whenever anything in the spec changes, so an object that was stored before the rule
    # existed would have its emergency stop refused: every rule at this level lets a stop pass.
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.emergencyStop) && self.emergencyStop.active) || self.mode != 'live' || "
            "has(self.exchange.credentialsSecretRef)",
            "mode live needs an account: name its Secret in exchange.credentialsSecretRef, or write mode: simulation",
            field_path=".exchange.credentialsSecretRef",
            reason=RuleReason.REQUIRED,
            holds=lambda spec: (
                (spec.emergency_stop is not None and spec.emergency_stop.active)
                or spec.mode is not Mode.LIVE
                or spec.exchange.credentials_secret_ref is not None
            ),
        ),
    )


class TradingBotStatus(StatusModel):
    """What the bot does. Everything here changes rarely; balances and prices are in metrics and in the database."""

    observed_generation: ObservedGeneration | None = None
    """metadata.generation that this status was derived from."""
    conditions: Conditions = ()
    """Ready (it trades, or stands by to), Progressing (a change is being rolled out), Degraded (something is in the
    way, with the way out) and Suspended (it is held back on purpose)."""
    mode: Mode | None = None
    """How it trades now. It differs from spec.mode while live trading lacks its approval."""
    state: BotState | None = None
    """What the bot may do now, the most restrictive of all sources: ACTIVE, PAUSED (no entries), REDUCING (only exits),
    HALTED (a limit was reached, or database or prices are lost), KILLED (emergency stop)."""
    role: BotRole | None = None
    """trading, or standby while another pod holds the writer lease."""
    positions: Annotated[int, Field(ge=0)] | None = None
    """Number of open positions."""
    open_orders: Annotated[int, Field(ge=0)] | None = None
    """Number of orders at the exchange that are neither filled nor cancelled."""
    image: Annotated[str, Text(512)] | None = None
    """Image that runs."""
    config_hash: Annotated[str, Text(128)] | None = None
    """Hash of the configuration that the bot runs with."""
    version: Annotated[str, Text(128)] | None = None
    """Version of the bot that runs."""
    emergency_stop: EmergencyStopStatus | None = None
    """The emergency stop that is latched, with its id and its outcome."""
    last_stop: LastStop | None = None
    """The emergency stop that was resumed last."""
    approval: ApprovalStatus | None = None
    """What an approval of live trading must name, and whether one does."""
    gates: Annotated[tuple[GateStatus, ...], Field(max_length=16), list_map("name")] | None = None
    """What must be so before the bot may trade live, while mode is live and it does not yet."""
    preflight: PreflightStatus | None = None
    """The last look at the exchange account with the live keys."""
    live: LiveStatus | None = None
    """The live bot: what was approved, which is what runs. Absent while the bot simulates."""
    url: Annotated[str, Text(512)] | None = None
    """Address of the bot's page inside the cluster."""


class TradingBot(ApiModel):
    """A trading bot: a strategy that trades symbols of an exchange within limits.

    It simulates unless a second person has approved live trading. Every change to it is made by changing its spec.
    """

    api_version: Literal["tradingbots.dev/v1alpha1"] = "tradingbots.dev/v1alpha1"
    kind: Literal["TradingBot"] = "TradingBot"
    metadata: ObjectMeta
    spec: TradingBotSpec
    """What the bot is to do. Only strategy and database must be given; with nothing else it simulates."""
    status: TradingBotStatus = TradingBotStatus()
    """What the bot does, written by the operator."""

    rules: ClassVar[tuple[Rule, ...]] = (name_rule(TRADING_BOT, TRADING_BOT_NAME_MAX),)


def requested_stop(obj: Mapping[str, Any]) -> EmergencyStop | None:
    """Read spec.emergencyStop from an object whatever else is wrong with it.

    `parse` refuses an object as a whole; a stop must be carried out all the same. Returns None when no stop is asked
    for. Fields beside `active` that cannot be read fall back to their defaults.
    """
    spec = obj.get("spec")
    asked = spec.get("emergencyStop") if isinstance(spec, Mapping) else None
    if not isinstance(asked, Mapping) or asked.get("active") is not True:
        return None
    reason = asked.get("reason")
    return EmergencyStop(
        active=True,
        close_positions=asked.get("closePositions") is True,
        reason=reason[:1024] if isinstance(reason, str) else None,
    )
