"""Logs as JSON lines: timestamp, level, message, logger, correlation_id, service, version, trading_mode, own fields."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

from tradingbot import __version__

if TYPE_CHECKING:
    from collections.abc import MutableMapping

SERVICE = "tradingbot"
_SECRET_WORDS = ("password", "secret", "api_key", "apikey", "token", "authorization", "db_url", "redis_url")


_given: dict[str, Any] = {}
"""What an earlier `configure` was given: a reload changes the level, not where the lines go."""


def _names(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    first = {
        "timestamp": event.pop("timestamp", ""),
        "level": event.pop("level", ""),
        "message": event.pop("event", ""),
        "logger": event.pop("_logger", None) or event.pop("logger", ""),
        "correlation_id": event.pop("correlation_id", ""),
        "service": SERVICE,
        "version": __version__,
    }
    return {**first, **event}


def _redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key in event:
        if any(word in key.lower() for word in _SECRET_WORDS):
            event[key] = "[not logged]"
    return event


def configure(level: str, trading_mode: str, bot: str, stream: Any = None, environment: str = "") -> None:
    """Send everything, also what libraries log, to something with `write` (standard output) as JSON lines."""
    if stream is not None:
        _given["stream"] = stream
    if environment:
        _given["environment"] = environment
    target = _given.get("stream") or sys.stdout
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
        structlog.processors.dict_tracebacks,
        _names,
        _redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(default=str)],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        logger_factory=structlog.PrintLoggerFactory(target),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(
        trading_mode=trading_mode, bot=bot, environment=_given.get("environment", "")
    )
    handler = logging.StreamHandler(target)
    renderer: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.JSONRenderer(default=str),
    ]
    foreign: list[Any] = [structlog.stdlib.add_logger_name, *shared]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=renderer, foreign_pre_chain=foreign))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def set_level(level: str) -> None:
    """Change how much is logged, and nothing else."""
    number = logging.getLevelNamesMapping()[level]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(number))
    logging.getLogger().setLevel(number)


def get(name: str) -> Any:
    """Return a logger whose lines carry its name."""
    return structlog.get_logger(_logger=name)


def correlate(correlation_id: str) -> None:
    """Put a correlation id on all further lines of this task."""
    structlog.contextvars.bind_contextvars(correlation_id=correlation_id)
