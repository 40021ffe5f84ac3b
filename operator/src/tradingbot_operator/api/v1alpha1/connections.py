"""What the bot talks to: exchange, database, Redis, its API's users, and those it notifies."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tradingbot_operator.api.markers import Text, list_type
from tradingbot_operator.api.model import ApiModel, Money
from tradingbot_operator.api.v1alpha1.common import DatabaseUrlReference, DataKey, SecretKeyReference


class MarketType(StrEnum):
    """Kind of market."""

    SPOT = "Spot"
    FUTURES = "Futures"


BaseUrl = Annotated[
    str,
    Text(
        253,
        r"^https?://([A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[-A-Za-z0-9._~/]*)?$",
        "write an address without user, query or fragment, for example https://proxy.example.org/binance",
    ),
]


class ExchangeCredentialsReference(SecretKeyReference):
    """The Secret with the exchange account's keys. Only a live bot gets it; a key that may withdraw is refused."""

    api_key_key: DataKey = "api-key"
    """Key of the Secret whose value is the API key."""
    api_secret_key: DataKey = "api-secret"  # noqa: S105 - the name of a key, not a secret
    """Key of the Secret whose value is the API secret."""


class Exchange(ApiModel):
    """The exchange whose markets are traded."""

    name: Annotated[
        str, Text(63, r"^[a-z0-9]+$", "write the exchange's name in lower case without spaces, for example binance")
    ] = "binance"
    """Name of the exchange, as the ccxt library has it, for example binance or kraken."""
    market_type: MarketType = MarketType.SPOT
    """Spot buys and sells the thing itself; Futures trades perpetual contracts and may sell short."""
    test_mode: bool = True
    """In live mode, whether orders go to the exchange's test network, with play money. Real money needs testMode: false
    besides mode: live and an approval. In simulation it has no meaning."""
    api_url: BaseUrl | None = None
    """Base address that takes the place of the exchange's own, https or http: a proxy, or an exchange for tests. The
    paths stay those of the exchange. The account's keys are shown to whoever answers there."""
    rate_limit_per_minute: Annotated[int, Field(ge=1, le=100_000)] = 1200
    """Requests per minute that the bot may send to the exchange. A share of it is kept free for an emergency stop."""
    credentials_secret_ref: ExchangeCredentialsReference | None = None
    """The account's keys, required in live mode. A simulation never gets them."""
    order_confirmation_threshold: Money | None = None
    """Live orders of a larger value, in quote currency, wait for a person's confirmation. Without it none waits."""
    order_confirmation_seconds: Annotated[int, Field(ge=1, le=86_400)] = 300
    """How long such an order waits. One that nobody has confirmed by then is not sent."""


class Database(ApiModel):
    """The PostgreSQL database with the bot's orders, trades, positions and latches."""

    secret_ref: DatabaseUrlReference
    """The Secret with the database's address and password."""
    pool_size: Annotated[int, Field(ge=1, le=100)] = 5
    """Connections that are kept open."""
    max_overflow: Annotated[int, Field(ge=0, le=100)] = 10
    """Further connections that may be opened when all are in use."""
    keep_decisions_days: Annotated[int, Field(ge=1, le=36_500)] = 30
    """Days after which a decision is deleted. Orders, trades and the ledger are never deleted."""
    keep_equity_days: Annotated[int, Field(ge=1, le=36_500)] = 365
    """Days after which a point of the equity curve is deleted."""


class RedisUrlReference(SecretKeyReference):
    """The Secret with the address of Redis."""

    key: DataKey = "url"
    """Key whose value is the address, for example redis://:password@host:6379/0."""


class Redis(ApiModel):
    """Redis, for feature flags and a further stop flag. The bot trades without it too."""

    secret_ref: RedisUrlReference
    """The Secret with the address of Redis."""


class ApiKeyReference(SecretKeyReference):
    """The Secret with the key of the bot's control API."""

    key: DataKey = "api-key"
    """Key whose value callers must send as X-API-Key."""


class ControlApi(ApiModel):
    """The bot's own HTTP API. Without a key it only answers questions and refuses every command."""

    secret_ref: ApiKeyReference
    """The Secret with the key that callers must send as X-API-Key."""


class TelegramSecretReference(SecretKeyReference):
    """The Secret with the token of a Telegram bot and the chat to write to."""

    bot_token_key: DataKey = "bot-token"  # noqa: S105 - the name of a key, not a token
    """Key whose value is the token of the Telegram bot."""
    chat_id_key: DataKey = "chat-id"
    """Key whose value is the id of the chat."""


class Telegram(ApiModel):
    """Messages to a Telegram chat."""

    enabled: bool = True
    """Set to false to be quiet without removing the settings."""
    secret_ref: TelegramSecretReference
    """Token and chat."""


class WebhookSecretReference(SecretKeyReference):
    """The Secret with the address of an incoming webhook."""

    key: DataKey = "webhook-url"
    """Key whose value is the webhook's address."""


class Webhook(ApiModel):
    """Messages to an incoming webhook."""

    enabled: bool = True
    """Set to false to be quiet without removing the settings."""
    secret_ref: WebhookSecretReference
    """The webhook's address."""


class EmailSecretReference(SecretKeyReference):
    """The Secret with the account of the mail server."""

    username_key: DataKey = "username"
    """Key whose value is the user name."""
    password_key: DataKey = "password"  # noqa: S105 - the name of a key, not a password
    """Key whose value is the password."""


EmailAddress = Annotated[
    str, Text(254, r"^[^@\s]+@[^@\s]+$", "write an e-mail address, for example trading@example.org")
]


class Email(ApiModel):
    """Messages by e-mail, over a mail server with STARTTLS."""

    enabled: bool = True
    """Set to false to be quiet without removing the settings."""
    host: Annotated[str, Text(253, min_length=1)]
    """Name of the mail server."""
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    """Port of the mail server; 587 is the one for submission."""
    sender: EmailAddress
    """Address that the messages come from."""
    recipients: Annotated[tuple[EmailAddress, ...], Field(min_length=1, max_length=20), list_type("set")]
    """Addresses that the messages go to, 1 to 20."""
    secret_ref: EmailSecretReference | None = None
    """Account of the mail server. Without it, messages are sent without logging in."""


class Notifications(ApiModel):
    """Who is told of trades, stops and failures. A message that cannot be delivered never holds up an order."""

    telegram: Telegram | None = None
    """Messages to a Telegram chat."""
    slack: Webhook | None = None
    """Messages to a Slack channel."""
    discord: Webhook | None = None
    """Messages to a Discord channel."""
    email: Email | None = None
    """Messages by e-mail."""
