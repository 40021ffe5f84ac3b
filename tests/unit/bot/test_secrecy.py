"""What a process knows and must not say: found by value in every spelling, by name, and by how addresses look."""

from __future__ import annotations

import io
import json
import logging
import warnings
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tradingbot.config.load import load, secrets
from tradingbot.config.model import Settings
from tradingbot.domain import secrecy
from tradingbot.domain.errors import ConfigurationError
from tradingbot.observe import logs

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PASSWORD = "p@ss w/rd'\"%-of-the-database"
DSN = f"postgresql://trading:{quote(PASSWORD, safe='')}@db.example.org:5432/trading"
KEY = "exchange-key-0123456789abcdef"
SECRETS = {
    "DB_URL": DSN,
    "REDIS_URL": "redis://:cache-password-0123@cache:6379/0",
    "API_KEY": "key-of-the-api-0123",
    "EXCHANGE_API_KEY": KEY,
    "EXCHANGE_API_SECRET": "exchange-secret-0123456789abcdef",
    "TELEGRAM_BOT_TOKEN": "123456789:AAF-token_of_a_telegram_bot_0123",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/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k",
    "DISCORD_WEBHOOK_URL": "https://discord.com/api/webhooks/112233445566778899/discord-token_discord-token",
    "SMTP_USERNAME": "mail-user-0123456",
    "SMTP_PASSWORD": "mail-password-0123",
}
ALL = {
    *SECRETS.values(), PASSWORD, quote(PASSWORD, safe=""), "cache-password-0123", "SlackTokenSlackTokenSlack",
    "discord-token_discord-token",
}  # fmt: skip


@pytest.fixture
def settings() -> Settings:
    return load({**SECRETS, "STRATEGY": ""}, defaults={"strategy": {"name": "breakout"}})


def log(settings: Settings, act: Callable[[], object]) -> str:
    """Return what is logged while something happens."""
    stream = io.StringIO()
    logs.configure("DEBUG", settings.mode.value, settings.bot.full_name, stream)
    act()
    return stream.getvalue()


def test_every_secret_of_the_settings_is_known(settings: Settings) -> None:
    assert sorted(secrets(settings)) == sorted(SECRETS.values())
    for value in ALL:
        assert secrecy.conceal(f"<{value}>") == f"<{secrecy.SHOWN}>"


def test_every_setting_that_is_called_a_secret_is_one() -> None:
    """Nobody adds a setting with a password in it that prints itself."""

    def walk(model: Any, path: str) -> list[str]:
        found = []
        for name, field in model.model_fields.items():
            text = str(field.annotation)
            if "SecretStr" not in text and secrecy.private(name):
                found.append(f"{path}{name}")
            for section in [field.annotation, *getattr(field.annotation, "__args__", ())]:
                if hasattr(section, "model_fields"):
                    found += walk(section, f"{path}{name}.")
        return found

    assert walk(Settings, "") == []


@pytest.mark.parametrize("value", sorted(ALL))
@pytest.mark.parametrize("spell", [str, repr, json.dumps, lambda v: quote(v, safe=""), quote_plus, lambda v: f"x{v}y"])
def test_a_secret_is_found_however_it_is_written(settings: Settings, value: str, spell: Callable[[str], str]) -> None:
    del settings
    assert value not in secrecy.conceal(spell(value))
    assert secrecy.SHOWN in secrecy.conceal(spell(value))


@given(
    # Without the brackets of what is put in its place: nothing of the value can come from there.
    value=st.text(st.characters(exclude_characters="[]"), min_size=secrecy.LONG, max_size=60).filter(
        lambda text: text.strip() == text
    ),
    around=st.text(max_size=20),
)
@example(value="not a character: \ud800", around="")
def test_no_long_value_comes_through_whatever_it_is_and_wherever_it_stands(value: str, around: str) -> None:
    secrecy.forget()
    secrecy.hide([value])
    for text in (f"{around}{value}{around}", json.dumps({"a": value}), repr([value])):
        assert value not in secrecy.conceal(text)
        assert value not in secrecy.conceal_long(text)
    secrecy.forget()


def test_a_short_value_is_hidden_as_a_word_and_a_very_short_one_spoils_no_text() -> None:
    secrecy.hide(["right", "abc", ""])
    assert (
        secrecy.conceal("the key 'right' is wrong; upright, abc") == f"the key '{secrecy.SHOWN}' is wrong; upright, abc"
    )
    assert secrecy.conceal_long("right") == "right"


@pytest.mark.parametrize(
    "text",
    [
        "cannot reach postgresql://somebody:else-knows@db:5432/x",
        "redis://:only-a-password@cache/0 refused",
        "Authorization: Bearer eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ.e30.c2ln",
        "GET https://api.binance.com/api/v3/account?timestamp=1&signature=abcdef0123456789",
        "https://example.org/hook?token=abcdef0123456789&x=1",
    ],
)
def test_what_looks_like_a_secret_is_hidden_though_nobody_named_it(text: str) -> None:
    told = secrecy.conceal(text)
    for secret in ("else-knows", "only-a-password", "eyJhbGci", "abcdef0123456789"):
        assert secret not in told
    assert secrecy.SHOWN in told


@pytest.mark.parametrize(
    "text",
    [
        "BTC/USD at 60000",
        "write postgresql://USER:PASSWORD@HOST:PORT/DATABASE",
        "see https://example.org/a?limit=5#x",
        "a@b.org",
        "basic facts",
        "",
    ],
)
def test_what_is_no_secret_stays_as_it_is(settings: Settings, text: str) -> None:
    del settings
    assert secrecy.conceal(text) == text


# -- logs --------------------------------------------------------------------------------------------------------------


def connect(url: str, key: str) -> None:
    raise ConnectionError(f"cannot reach {url} with {key}")


def raising(settings: Settings) -> None:
    """Code that holds every secret in a variable, and says some of them as it fails."""
    url = settings.database.url.get_secret_value() if settings.database.url else ""
    held = [{"deep": value} for value in secrets(settings)]
    try:
        connect(url, KEY)
    except ConnectionError as error:
        raise RuntimeError(f"gave up after {held!r}") from error


@pytest.mark.parametrize("logger", [logs.get("ours"), logging.getLogger("of.a.library")], ids=["ours", "a library's"])
def test_a_traceback_says_where_and_why_and_shows_no_variable(settings: Settings, logger: Any) -> None:

    def act() -> None:
        try:
            raising(settings)
        except RuntimeError as error:
            if isinstance(logger, logging.Logger):
                logger.exception("it failed at %s", DSN)
            else:
                logger.exception("it failed", error=error, tried=[{"password": "x", "at": DSN}], api_key="y")

    text = log(settings, act)
    assert not [value for value in ALL if value in text or json.dumps(value)[1:-1] in text]
    line = json.loads(text)
    first, second = line["exception"]
    assert (first["exc_type"], second["exc_type"]) == ("RuntimeError", "ConnectionError")
    assert first["frames"][-1]["name"] == "raising"
    assert "cannot reach" in second["exc_value"]
    assert "locals" not in str(first["frames"][0].keys())
    assert line["service"] == "tradingbot"


def test_a_warning_of_a_library_is_a_line_of_the_log_without_the_secret(settings: Settings) -> None:
    def act() -> None:
        with warnings.catch_warnings():
            logging.captureWarnings(capture=False)
            warnings.simplefilter("always")
            logging.captureWarnings(capture=True)
            warnings.warn(f"unclosed connection to {DSN}", ResourceWarning, stacklevel=1)

    text = log(settings, act)
    logging.captureWarnings(capture=False)
    assert "unclosed connection" in json.loads(text)["message"]
    assert PASSWORD not in text
    assert quote(PASSWORD, safe="") not in text


def test_a_field_whose_name_speaks_of_a_secret_is_not_logged_at_any_depth(settings: Settings) -> None:
    text = log(settings, lambda: logs.get("x").info("m", access_token="one-two", deep={"list": [{"db_url": "three"}]}))
    line = json.loads(text)
    assert line["access_token"] == line["deep"]["list"][0]["db_url"] == secrecy.SHOWN
    assert (line["level"], line["message"], line["logger"]) == ("info", "m", "x")


# -- refusals of a configuration ---------------------------------------------------------------------------------------

WRONG = [
    "http: {api_key: 9182736455463728}",
    "http: {api_key: [very-secret-value]}",
    "exchange: {api_secret: 91827364554637281928}",
    "exchange: {api_url: 'https://user:very-secret-value@proxy.example.org/x?y'}",
    "database: {url: 91827364554637281928}",
    "notifications: {slack: {webhook_url: 91827364554637281928}}",
    'strategy: {name: breakout}\nhttp: {api_key: "very-secret-value}',
    "strategy: {name: breakout}\nhttp:\n  api_key: very-secret-value: x",
    "http: {api_key: very-secret-value, api_kye: very-secret-value}",
]


@pytest.mark.parametrize("text", WRONG)
def test_a_configuration_that_is_refused_is_refused_without_its_secrets(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"{text}\n")
    with pytest.raises(ConfigurationError) as refused:
        load({}, path, defaults={"strategy": {"name": "breakout"}})
    for secret in ("9182736455463728", "very-secret-value"):
        assert secret not in refused.value.message
    assert refused.value.message
