"""Reading the configuration: defaults < file (`CONFIG_PATH`) < environment. Nothing is guessed."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from pydantic import BaseModel, SecretStr, ValidationError

from tradingbot.config.model import Settings
from tradingbot.domain import secrecy
from tradingbot.domain.errors import ConfigurationError
from tradingbot.domain.instrument import MarketType
from tradingbot.strategy.params import explain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

INVALID = "InvalidConfiguration"
_FUTURES = "_futures"


def _percent(text: str) -> Decimal:
    try:
        return Decimal(text) / 100
    except InvalidOperation:
        raise ValueError("must be a number of percent, for example 2.0") from None


ENVIRONMENT: dict[str, tuple[str, ...]] = {
    "TRADING_MODE": ("mode",),
    "TRADING_APPROVED": ("approved",),
    "ORDER_CONFIRMATION_REQUIRED": ("order_confirmation_required",),
    "ENVIRONMENT": ("environment",),
    "LOG_LEVEL": ("log_level",),
    "ENABLE_METRICS": ("enable_metrics",),
    "DATA_PATH": ("data_path",),
    "EXCHANGE": ("exchange", "name"),
    "BINANCE_API_KEY": ("exchange", "api_key"),
    "BINANCE_API_SECRET": ("exchange", "api_secret"),
    "EXCHANGE_API_KEY": ("exchange", "api_key"),
    "EXCHANGE_API_SECRET": ("exchange", "api_secret"),
    "BINANCE_TEST_MODE": ("exchange", "test_mode"),
    "BINANCE_RATE_LIMIT": ("exchange", "rate_limit_per_minute"),
    "RISK_MAX_DRAWDOWN": ("risk", "max_drawdown"),
    "RISK_DAILY_LOSS_LIMIT": ("risk", "daily_loss_limit"),
    "RISK_MAX_POSITION_SIZE": ("risk", "max_position_size"),
    "RISK_RISK_PER_TRADE": ("risk", "risk_per_trade"),
    "MAX_OPEN_POSITIONS": ("risk", "max_open_positions"),
    "MAX_RISK_PER_TRADE": ("risk", "risk_per_trade"),
    "MIN_RISK_REWARD_RATIO": ("risk", "min_risk_reward_ratio"),
    "SIMULATION_INITIAL_CAPITAL": ("simulation", "initial_capital"),
    "SIMULATION_COMMISSION": ("simulation", "commission"),
    "SIMULATION_SLIPPAGE": ("simulation", "slippage"),
    "SIMULATION_TICK_INTERVAL": ("simulation", "tick_interval_seconds"),
    "SIMULATION_STRATEGY_INTERVAL": ("simulation", "strategy_interval_seconds"),
    "DB_URL": ("database", "url"),
    "DB_POOL_SIZE": ("database", "pool_size"),
    "DB_MAX_OVERFLOW": ("database", "max_overflow"),
    "REDIS_URL": ("redis", "url"),
    "API_KEY": ("http", "api_key"),
    "HTTP_HOST": ("http", "host"),
    "TELEGRAM_ENABLED": ("notifications", "telegram", "enabled"),
    "TELEGRAM_BOT_TOKEN": ("notifications", "telegram", "bot_token"),
    "TELEGRAM_CHAT_ID": ("notifications", "telegram", "chat_id"),
    "TELEGRAM_API_URL": ("notifications", "telegram", "api_url"),
    "SLACK_WEBHOOK_URL": ("notifications", "slack", "webhook_url"),
    "DISCORD_WEBHOOK_URL": ("notifications", "discord", "webhook_url"),
    "SMTP_HOST": ("notifications", "email", "host"),
    "SMTP_PORT": ("notifications", "email", "port"),
    "SMTP_STARTTLS": ("notifications", "email", "starttls"),
    "SMTP_USERNAME": ("notifications", "email", "username"),
    "SMTP_PASSWORD": ("notifications", "email", "password"),
    "SMTP_FROM": ("notifications", "email", "sender"),
    "SMTP_TO": ("notifications", "email", "recipients"),
    "HTTP_PORT": ("http", "port"),
    "POD_NAME": ("kubernetes", "pod"),
    "POD_NAMESPACE": ("kubernetes", "namespace"),
    "TRADINGBOT_NAME": ("kubernetes", "name"),
    "TRADINGBOT_UID": ("kubernetes", "uid"),
    "KUBERNETES_API_URL": ("kubernetes", "api_url"),
}
"""Environment variables that are read, and the setting that each one overrides."""

_CONVERT: dict[str, Callable[[str], Any]] = {"MAX_RISK_PER_TRADE": _percent, "LOG_LEVEL": str.upper}


class _Loader(yaml.SafeLoader):
    """Numbers with a point become Decimals of their shortest decimal form; a key that comes twice is refused."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                line = key_node.start_mark.line + 1
                raise ConfigurationError(INVALID, f"line {line}: {key} comes twice, keep one of them")
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _decimal(loader: _Loader, node: yaml.ScalarNode) -> Decimal | float:
    text = str(loader.construct_scalar(node))
    try:
        return Decimal(text.replace("_", ""))
    except InvalidOperation:
        return float("nan")


_Loader.add_constructor("tag:yaml.org,2002:float", _decimal)


def read_file(path: Path) -> tuple[dict[str, Any], str]:
    """Return the content of a YAML file and its sha256."""
    try:
        data = path.read_bytes()
    except OSError as error:
        text = f"CONFIG_PATH: {path} cannot be read: {error.strerror or error}"
        raise ConfigurationError(INVALID, text) from error
    try:
        content = yaml.load(data, Loader=_Loader)  # noqa: S506 - _Loader is a SafeLoader
    except yaml.YAMLError as error:
        raise ConfigurationError(INVALID, f"{path.name} is not YAML: {_where(error)}") from None
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise ConfigurationError(INVALID, f"{path.name} must hold keys and values, like `strategy: {{name: breakout}}`")
    return content, hashlib.sha256(data).hexdigest()


def _where(error: yaml.YAMLError) -> str:
    """Say what is wrong and where, without the line itself: a key may stand in it."""
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
        return f"{error.problem or error.context or 'it cannot be read'}{place}"
    return "it has a character that no text has" if isinstance(error, yaml.reader.ReaderError) else "it cannot be read"


class Option(NamedTuple):
    """What was given on the command line."""

    name: str
    target: tuple[str, ...]
    value: Any


def load(
    environment: Mapping[str, str],
    path: Path | None = None,
    *,
    defaults: Mapping[str, Any] | None = None,
    options: Iterable[Option] = (),
) -> Settings:
    """Build the settings, or raise a `ConfigurationError` that names the field and says what to write.

    `defaults` are taken where neither the file nor the environment says anything, `options` before everything else.
    """
    values: dict[str, Any] = {}
    if path is None and environment.get("CONFIG_PATH"):
        path = Path(environment["CONFIG_PATH"])
    if path is not None:
        values, values["config_hash"] = _without_own(*read_file(path))
    _fill(values, defaults or {})
    sources: dict[str, str] = {}
    _one_word(environment)
    for name, target in ENVIRONMENT.items():
        text = environment.get(name)
        if text is None or text == "":
            continue
        try:
            if name == "EXCHANGE" and text.endswith(_FUTURES):
                # `binance_futures` is how users of an older bot write it.
                text = text.removesuffix(_FUTURES)
                _put(values, ("exchange", "market_type"), MarketType.FUTURES.value)
                sources["exchange.market_type"] = f"the environment variable {name}"
            _put(values, target, _CONVERT.get(name, str)(text))
        except ValueError as error:
            raise ConfigurationError(INVALID, f"{name}: {error}") from None
        sources[".".join(target)] = f"the environment variable {name}"
    for option in options:
        _put(values, option.target, option.value)
        sources[".".join(option.target)] = f"the option {option.name}"
    secrecy.hide(_called_secret(values))
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(INVALID, "; ".join(_lines(error, sources))) from None
    secrecy.hide(secrets(settings))
    return settings


def _one_word(environment: Mapping[str, str]) -> None:
    """Refuse two variables that say different things of one limit: nobody knows which of them was meant."""
    said: dict[tuple[str, ...], tuple[str, Decimal]] = {}
    for name, target in ENVIRONMENT.items():
        if target[0] != "risk" or not environment.get(name):
            continue
        try:
            value = Decimal(_CONVERT.get(name, str)(environment[name]))
        except (ValueError, InvalidOperation):
            continue  # refused as what it is
        other, before = said.setdefault(target, (name, value))
        if before != value:
            field = ".".join(target)
            raise ConfigurationError(INVALID, f"{other} and {name} say different things of {field}: keep one of them")


def secrets(section: BaseModel) -> list[str]:
    """Return the values of all secrets of a section and those below it."""
    found: list[str] = []
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, SecretStr):
            found.append(value.get_secret_value())
        elif isinstance(value, BaseModel):
            found.extend(secrets(value))
    return found


def _called_secret(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is called a secret, before anybody knows whether it is one: it must not be in the refusal either."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _called_secret(value)
        elif secrecy.private(key) and isinstance(value, str | int):
            yield str(value)


@dataclass(frozen=True)
class Source:
    """Where the settings came from, so that they can be read anew while the bot runs."""

    path: Path
    environment: Mapping[str, str]
    options: tuple[Option, ...] = ()
    defaults: Mapping[str, Any] | None = None

    def read(self) -> Settings:
        """Read again; raise a `ConfigurationError` as the first time."""
        return load(self.environment, self.path, defaults=self.defaults, options=self.options)


def source(
    environment: Mapping[str, str],
    path: Path | None,
    options: Iterable[Option] = (),
    defaults: Mapping[str, Any] | None = None,
) -> Source | None:
    """Return what can be read anew; None without a file."""
    if path is None and environment.get("CONFIG_PATH"):
        path = Path(environment["CONFIG_PATH"])
    return None if path is None else Source(path, environment, tuple(options), defaults)


def _fill(values: dict[str, Any], defaults: Mapping[str, Any]) -> None:
    """Take over what is not there."""
    for key, value in defaults.items():
        if key not in values:
            values[key] = copy.deepcopy(value)
        elif isinstance(value, dict) and isinstance(values[key], dict):
            _fill(values[key], value)


def _without_own(content: dict[str, Any], digest: str) -> tuple[dict[str, Any], str]:
    if "config_hash" in content:
        raise ConfigurationError(INVALID, "config_hash is not known: it is computed from the file")
    return content, digest


def _put(values: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for part in path[:-1]:
        below = values.setdefault(part, {})
        if not isinstance(below, dict):
            raise ConfigurationError(INVALID, f"{part} must hold keys and values")
        values = below
    values[path[-1]] = value


def _lines(error: ValidationError, sources: Mapping[str, str]) -> list[str]:
    found = []
    for line, item in zip(explain(error, "", _known(error)), error.errors(), strict=True):
        source = sources.get(".".join(str(part) for part in item["loc"]))
        text = line.removeprefix(": ")
        found.append(f"{text} (from {source})" if source else text)
    return found


def _known(error: ValidationError) -> list[str]:
    """Return the keys that are known where the first unknown key stands."""
    for item in error.errors():
        if item["type"] == "extra_forbidden":
            model: type[BaseModel] = Settings
            for part in item["loc"][:-1]:
                field = model.model_fields.get(str(part))
                below = field.annotation if field is not None else None
                if not (isinstance(below, type) and issubclass(below, BaseModel)):
                    break
                model = below
            return [name for name in model.model_fields if name != "config_hash"]
    return []
