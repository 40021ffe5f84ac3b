"""What the bot trades and within which limits: strategy, risk, simulation, promotion."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from tradingbot_operator.api.markers import FreeForm, Rule, RuleReason, Text, list_type
from tradingbot_operator.api.model import ApiModel, Bounds, Fraction, Money

Symbol = Annotated[
    str,
    Text(
        64,
        r"^[A-Z0-9][A-Z0-9._-]{0,29}/[A-Z0-9]{1,15}(:[A-Z0-9]{1,15})?$",
        "write a symbol as BASE/QUOTE in capitals, for example BTC/USDT, or BASE/QUOTE:SETTLE for a perpetual future",
    ),
]
StrategyName = Annotated[
    str,
    Text(
        63,
        r"^[a-z0-9]([-a-z0-9_.]*[a-z0-9])?$",
        "write the name of a strategy in the image, in lower case, for example breakout",
    ),
]


class Timeframe(StrEnum):
    """Length of a candle."""

    ONE_MINUTE = "1m"
    THREE_MINUTES = "3m"
    FIVE_MINUTES = "5m"
    FIFTEEN_MINUTES = "15m"
    THIRTY_MINUTES = "30m"
    ONE_HOUR = "1h"
    TWO_HOURS = "2h"
    FOUR_HOURS = "4h"
    SIX_HOURS = "6h"
    EIGHT_HOURS = "8h"
    TWELVE_HOURS = "12h"
    ONE_DAY = "1d"


class Strategy(ApiModel):
    """What decides about entries and exits."""

    name: StrategyName
    """Name of the strategy, as the bot's image knows it, for example breakout. A name that the image does not have
    shows as reason UnknownStrategy, with the names that it has."""
    symbols: Annotated[
        tuple[Symbol, ...],
        Field(min_length=1, max_length=50),
        list_type("set"),
        Rule("self.size() > 0", "name at least one market, for example symbols: [BTC/USDT]"),
    ]
    """Markets to trade, 1 to 50, as BASE/QUOTE (BTC/USDT), or BASE/QUOTE:SETTLE for perpetual futures
    (BTC/USDT:USDT)."""
    timeframe: Timeframe = Timeframe.ONE_MINUTE
    """Length of the candles that the strategy sees: m minutes, h hours, d days."""
    parameters: FreeForm | None = None
    """Settings of this strategy; each strategy has its own. The bot checks them when it starts: what it refuses shows
    as reason InvalidStrategyParameters. Parameters that are left out have the strategy's defaults."""


class BreachAction(StrEnum):
    """What happens to open positions when a loss limit is reached."""

    HOLD = "Hold"
    FLATTEN = "Flatten"


class Risk(ApiModel):
    """Limits that every order is checked against, before it is sent.

    A value that is missing, stale or not a number denies the order. Fractions are parts of one: 0.15 is 15 %.
    """

    max_drawdown: Fraction = Decimal("0.15")
    """Largest fall of the equity below its highest value so far, as a fraction of that value. When it is reached the
    bot is halted until a person resumes it. Equity counts open positions, fees and the worst case of open orders."""
    daily_loss_limit: Fraction = Decimal("0.03")
    """Largest loss of one day (00:00 to 24:00 UTC), as a fraction of the equity at its start. When it is reached the
    bot is halted."""
    max_position_size: Fraction = Decimal("0.25")
    """Largest value of one position, as a fraction of the equity."""
    risk_per_trade: Fraction = Decimal("0.01")
    """What one trade may lose, from entry to its protective stop, as a fraction of the equity. The size of an entry
    follows from it."""
    max_open_positions: Annotated[int, Field(ge=1, le=1000)] = 5
    """Number of positions that may be open at the same time."""
    min_risk_reward_ratio: Annotated[Decimal, Bounds(ge=0, le=1000)] = Decimal("3.0")
    """Smallest ratio of what an entry may win (to its target) to what it may lose (to its stop). Entries below it are
    not taken. 0 takes all."""
    max_order_value: Money | None = None
    """Largest value of a single order, in quote currency. Without it, maxPositionSize alone limits an order."""
    max_orders_per_minute: Annotated[int, Field(ge=1, le=10_000)] = 60
    """Orders that may be sent within any minute. More are denied, not delayed: a strategy that wants more is broken.
    Orders of an emergency stop do not count."""
    price_collar: Fraction = Decimal("0.05")
    """Largest distance of an order's price from the market's, as a fraction of the market's price. It catches wrong
    prices before the exchange does."""
    max_price_jump: Fraction = Decimal("0.2")
    """How far a price may lie from the one before it, as a fraction, to be believed at once. One further away counts
    only when a second price confirms it: a single wrong trade leads to nothing. With 1 no fall is held back."""
    max_stop_distance: Fraction | None = None
    """Largest distance of a stop-loss from the price, as a fraction of the price. Entries with a stop further away are
    denied. Without it, ten times priceCollar."""
    max_target_distance: Fraction | None = None
    """Largest distance of a take-profit from the price, as a fraction of the price. One further away is moved there,
    before minRiskRewardRatio is judged. Without it, wherever the strategy puts it."""
    min_confidence: Fraction | None = None
    """Least confidence of a signal, above 0 and up to 1, by the strategy's own word. Entries with less, or whose
    strategy says nothing, are denied. Without it, none is."""
    autonomous: bool = True
    """Whether entries of the strategy are sent without a person. With false each one waits for a person's word, for
    exchange.orderConfirmationSeconds at most; exits and protective orders wait for nobody."""
    on_breach: BreachAction = BreachAction.HOLD
    """What happens to open positions when maxDrawdown or dailyLossLimit is reached: Hold keeps them with their
    protective stops, Flatten closes them at market prices."""

    @property
    def as_before(self) -> set[str]:
        """Names of the limits that came later than the others and say what was so before there were such.

        They are left out where a name more would break what is there: approvals are a digest of all limits, and a bot's
        image from before refuses to start with a setting that it does not know.
        """
        added = ("autonomous", "max_price_jump")
        return {name for name in added if getattr(self, name) == type(self).model_fields[name].default}

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.dailyLossLimit <= self.maxDrawdown",
            "dailyLossLimit must not be above maxDrawdown, which would always be reached first: lower dailyLossLimit "
            "or raise maxDrawdown",
            field_path=".dailyLossLimit",
            holds=lambda risk: risk.daily_loss_limit <= risk.max_drawdown,
        ),
        Rule(
            "self.riskPerTrade <= self.maxPositionSize",
            "riskPerTrade must not be above maxPositionSize, a position cannot lose more than its value: lower "
            "riskPerTrade, for example to 0.01",
            field_path=".riskPerTrade",
            holds=lambda risk: risk.risk_per_trade <= risk.max_position_size,
        ),
    )


class FeedType(StrEnum):
    """Where prices come from in simulation."""

    RECORDED = "Recorded"
    SYNTHETIC = "Synthetic"
    LIVE = "Live"


class Resolution(StrEnum):
    """How finely a simulated market is shown."""

    CANDLES = "Candles"
    TICKS = "Ticks"


class Feed(ApiModel):
    """Where the simulation gets its prices."""

    type: FeedType = FeedType.SYNTHETIC
    """Synthetic makes prices up, for any symbol, the same for the same seed. Recorded plays the candles of dataset.
    Live takes the prices of the exchange, without an account. The default needs neither data nor network."""
    dataset: (
        Annotated[
            str,
            Text(
                253,
                r"^[a-zA-Z0-9][-a-zA-Z0-9._]*(/[-a-zA-Z0-9._]+)*$",
                "write the name of a data set in the image, for example recorded",
            ),
        ]
        | None
    ) = None
    """Name of the recorded data set, for type Recorded; the image of this project has one, named recorded. A data set
    that lacks a symbol or the time frame shows as reason UnknownSymbol or DataNotFound."""
    resolution: Resolution = Resolution.CANDLES
    """Candles shows the bot one candle after the other. Ticks shows it every trade of the market, and the candles made
    of them; a data set has trades of its own for that."""
    speed: Annotated[Decimal, Bounds(ge=0, le=1_000_000)] = Decimal(1)
    """Market seconds per second of the clock, for Recorded and Synthetic: 1 is real time, 60 plays an hour in a minute,
    0 goes as fast as it can."""
    loop: bool = False
    """Whether Recorded starts over at its end. Without it the bot then stays up and has no prices to trade on."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.type != 'Recorded' || has(self.dataset)",
            "type Recorded needs the name of its data: add dataset, for example dataset: recorded, or write "
            "type: Synthetic",
            field_path=".dataset",
            reason=RuleReason.REQUIRED,
            holds=lambda feed: feed.type is not FeedType.RECORDED or feed.dataset is not None,
        ),
    )


Chance = Annotated[Decimal, Bounds(ge=0, le=1)]


class Faults(ApiModel):
    """What goes wrong at the simulated exchange: how likely each fault is, 0 never, 1 always."""

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
    """A fill is reported lateSeconds after it happened."""
    late_seconds: Annotated[int, Field(ge=1, le=86_400)] = 2
    """How late, in market seconds."""
    empty_book: Chance = Decimal(0)
    """For a minute nothing is executed."""


class Simulation(ApiModel):
    """The simulated exchange that takes the orders while mode is simulation."""

    initial_capital: Money = Decimal(10_000)
    """Money in the simulated account at the first start, in quote currency."""
    commission: Annotated[Decimal, Bounds(ge=0, le=1)] = Decimal("0.001")
    """Fee per fill, as a fraction of its value: 0.001 is 0.1 %."""
    slippage: Annotated[Decimal, Bounds(ge=0, le=1)] = Decimal("0.0001")
    """How much worse than the quoted price a fill is, as a fraction of the price."""
    tick_interval_seconds: Annotated[int, Field(ge=1, le=3600)] = 5
    """Market seconds between two looks at the price, for stops and fills."""
    strategy_interval_seconds: Annotated[int, Field(ge=1, le=86_400)] = 60
    """Market seconds between two runs of the strategy."""
    seed: Annotated[int, Field(ge=0, le=2_147_483_647)] = 0
    """Start of all random choices of the simulation. The same seed, feed and configuration give the same trades."""
    feed: Feed = Feed()
    """Where prices come from."""
    faults: Faults | None = None
    """What goes wrong, to see how a bot takes it. The same seed brings the same faults. Never in live trading."""


class Promotion(ApiModel):
    """What the simulation must have shown before an approval of live trading counts."""

    min_days: Annotated[int, Field(ge=0, le=3650)] = 14
    """Days of simulated trading with the same strategy, parameters and limits."""
    min_trades: Annotated[int, Field(ge=0, le=1_000_000)] = 100
    """Trades that were opened and closed in that time."""
    max_drawdown: Fraction = Decimal("0.15")
    """Largest fall of the simulated equity below its highest value, as a fraction of that value."""
    min_profit_factor: Annotated[Decimal, Bounds(ge=0, le=1000)] = Decimal("1.2")
    """Smallest ratio of all gains to all losses. Above 1 the simulation made money."""
