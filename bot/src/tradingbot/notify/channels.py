"""The channels, through apprise. The only importer of apprise, and only when a channel is configured."""

from __future__ import annotations

import logging
import re
import threading
import warnings
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from tradingbot.domain.secrecy import SHOWN, conceal, describe
from tradingbot.observe import logs

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SecretStr

    from tradingbot.config.model import EmailSection, NotificationsSection, TelegramSection, WebhookSection

CONNECT_SECONDS = 4.0
READ_SECONDS = 8.0
TEXT_LENGTH = 1900
"""Shorter than the shortest limit of the channels (Discord: 2000)."""

_SLACK = re.compile(r"^(?P<base>https?://.+/services)/(?P<a>[A-Z0-9]+)/(?P<b>[A-Z0-9]+)/(?P<c>[A-Za-z0-9]+)/?$")
_DISCORD = re.compile(r"^(?P<base>https?://.+/api/webhooks)/(?P<id>[0-9]+)/(?P<token>[\w-]+)/?$")
_log = logs.get(__name__)


class Message(NamedTuple):
    """What is sent at once."""

    title: str
    text: str
    urgent: bool


class DeliveryError(Exception):
    """The channel did not take the message; its words, without any secret."""


class Channel:
    """One channel. `send` blocks, `CONNECT_SECONDS` and `READ_SECONDS` at most per request: not on the event loop."""

    def __init__(self, name: str, plugin: Any, secrets: tuple[str, ...], ears: _Ears) -> None:
        self.name, self._plugin, self._secrets, self._ears = name, plugin, secrets, ears

    def send(self, message: Message) -> None:
        """Send, or raise `DeliveryError`."""
        from apprise import NotifyType

        kind = NotifyType.WARNING if message.urgent else NotifyType.INFO
        text = conceal(message.text)[:TEXT_LENGTH]
        with self._ears.listening() as heard:
            try:
                done = self._plugin.notify(body=text, title=conceal(message.title), notify_type=kind)
            except Exception as error:  # noqa: BLE001 - a library of a hundred services: whatever it was, it is told
                raise DeliveryError(self._clean(describe(error))) from None
        if not done:
            raise DeliveryError(self._clean(" ".join(heard) or "it was not taken"))

    def _clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, SHOWN)
        return " ".join(conceal(text).split())[:300]


class _Ears(logging.Handler):
    """Hears why apprise failed, by thread. Nothing of it reaches the log: its lines may hold addresses with tokens."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._local = threading.local()

    def listening(self) -> _Ears:
        """Begin to listen in this thread."""
        self._local.heard = []
        return self

    def __enter__(self) -> list[str]:
        heard: list[str] = self._local.heard
        return heard

    def __exit__(self, *_: object) -> None:
        self._local.heard = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line."""
        heard = getattr(self._local, "heard", None)
        if heard is not None:
            heard.append(record.getMessage())


def build(section: NotificationsSection) -> tuple[list[Channel], dict[str, str]]:
    """Make the channels that are configured; return by name what is wrong with the others."""
    wanted: dict[str, tuple[Any, Callable[[Any, _Ears], Channel]]] = {
        "telegram": (section.telegram, _telegram),
        "slack": (section.slack, _slack),
        "discord": (section.discord, _discord),
        "email": (section.email, _email),
    }
    channels: list[Channel] = []
    problems: dict[str, str] = {}
    chosen = {name: pair for name, pair in wanted.items() if pair[0] is not None and pair[0].enabled}
    if not chosen:
        return channels, problems
    ears = _quiet()
    for name, (part, make) in chosen.items():
        try:
            channels.append(make(part, ears))
        except (TypeError, ValueError) as error:
            problems[name] = str(error)
    return channels, problems


def _quiet() -> _Ears:
    """Keep what the libraries log to ourselves, at every level: their lines hold addresses, and these hold tokens."""
    ears = _Ears()
    apprise_log = logging.getLogger("apprise")
    apprise_log.handlers[:] = [ears]
    apprise_log.propagate = False
    apprise_log.setLevel(logging.WARNING)
    logging.getLogger("urllib3").setLevel(logging.CRITICAL)
    return ears


def _make(kind: Any, **arguments: Any) -> Any:
    """Make a plugin that follows no redirect, writes nothing to disk and has little patience."""
    from apprise import AppriseAsset, PersistentStoreMode

    asset = AppriseAsset(
        app_id="tradingbot",
        app_desc="tradingbot",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        secure_logging=True,
        http_redirects=False,
        storage_mode=PersistentStoreMode.MEMORY,
    )
    return kind(asset=asset, cto=CONNECT_SECONDS, rto=READ_SECONDS, **arguments)


def _reveal(secret: SecretStr | None, what: str) -> str:
    if secret is None or not secret.get_secret_value().strip():
        raise ValueError(f"{what} is not set")
    return secret.get_secret_value().strip()


def _telegram(section: TelegramSection, ears: _Ears) -> Channel:
    from apprise.plugins.telegram import NotifyTelegram

    token = _reveal(section.bot_token, "TELEGRAM_BOT_TOKEN")
    if not section.chat_id:
        raise ValueError("TELEGRAM_CHAT_ID is not set")
    if not re.fullmatch(r"[0-9]+:[\w-]+", token) or not re.fullmatch(r"-?[0-9]+|@\w+", section.chat_id):
        raise ValueError("TELEGRAM_BOT_TOKEN is written 123456:ABC-def, TELEGRAM_CHAT_ID is a number or @name")
    plugin: Any = _make(NotifyTelegram, bot_token=token, targets=[section.chat_id], detect_owner=False)
    if section.api_url:
        plugin.notify_url = f"{section.api_url.rstrip('/')}/bot"
    return Channel("telegram", plugin, (token,), ears)


def _slack(section: WebhookSection, ears: _Ears) -> Channel:
    from apprise.plugins.slack import NotifySlack

    url = _reveal(section.webhook_url, "SLACK_WEBHOOK_URL")
    match = _SLACK.match(url)
    if match is None:
        raise ValueError("SLACK_WEBHOOK_URL is written https://hooks.slack.com/services/T…/B…/…")
    plugin: Any = _make(NotifySlack, token_a=match["a"], token_b=match["b"], token_c=match["c"], targets=None)
    plugin.webhook_url = match["base"]
    return Channel("slack", plugin, (url, match["b"], match["c"]), ears)


def _discord(section: WebhookSection, ears: _Ears) -> Channel:
    from apprise.plugins.discord import NotifyDiscord

    url = _reveal(section.webhook_url, "DISCORD_WEBHOOK_URL")
    match = _DISCORD.match(url)
    if match is None:
        raise ValueError("DISCORD_WEBHOOK_URL is written https://discord.com/api/webhooks/NUMBER/TOKEN")
    plugin: Any = _make(NotifyDiscord, webhook_id=match["id"], webhook_token=match["token"], avatar=False)
    plugin.notify_url = match["base"]
    return Channel("discord", plugin, (url, match["token"]), ears)


def _email(section: EmailSection, ears: _Ears) -> Channel:
    with warnings.catch_warnings():
        # It imports a module that Python 3.13 has no more, and brings its own there.
        warnings.simplefilter("ignore", DeprecationWarning)
        from apprise.plugins.email.base import NotifyEmail

    if not (section.host and section.sender and section.recipients):
        raise ValueError("SMTP_HOST, SMTP_FROM and SMTP_TO (notifications.email) have to be set")
    if urlsplit(f"//{section.host}").hostname is None:
        raise ValueError(f"SMTP_HOST is the name of a mail server, not {section.host}")
    user = section.username.get_secret_value() if section.username else None
    password = section.password.get_secret_value() if section.password else None
    plugin: Any = _make(
        NotifyEmail,
        smtp_host=section.host,
        host=section.host,
        port=section.port,
        user=user,
        password=password,
        from_addr=section.sender,
        targets=list(section.recipients),
        secure_mode="starttls" if section.starttls else "insecure",
        secure=section.starttls,
        format="text",
    )
    return Channel("email", plugin, tuple(value for value in (user, password) if value), ears)
