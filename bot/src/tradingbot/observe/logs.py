"""Logs as JSON lines: timestamp, level, message, logger, correlation_id, service, version, trading_mode, own fields."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

from tradingbot import __version__
from tradingbot.domain.secrecy import SHOWN, conceal_all, private

if TYPE_CHECKING:
    from collections.abc import MutableMapping

SERVICE = "tradingbot"
_TRACEBACK = structlog.processors.ExceptionRenderer(
    structlog.tracebacks.ExceptionDictTransformer(show_locals=False, use_rich=False)
)
"""Where it happened and what was said, never the variables of the frames: these hold keys."""


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


def _conceal(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Take secrets out of everything that a line says: by the field's name, and by value wherever they stand."""
    for key, value in event.items():
        if key not in ("timestamp", "level", "_record", "_from_structlog"):
            event[key] = SHOWN if private(key) else conceal_all(value)
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
        _TRACEBACK,
        _conceal,
        _names,
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
    logging.captureWarnings(capture=True)


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
