"""One JSON object a line, from this program, kopf and every library alike.

Each line of a pass carries the object's key and the pass's id. Nothing here can show the value of a Secret, because
the operator never reads one; what it logs of errors are names, reasons and field paths. What it does hold, the token
with which it asks the API server, is taken out of whatever a library says of a request that failed.
"""

from __future__ import annotations

import logging
import re
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator

_AUTHORIZATION = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]+")
QUIET = ("kopf", "asyncio", "aiohttp.access", "kubernetes", "urllib3")


def _without_authorization(_: object, __: str, line: Any) -> str:
    """Take the values of Authorization headers out of a rendered line."""
    return _AUTHORIZATION.sub(r"\g<1> [not shown]", line)


def configure(level: str, stream: TextIO = sys.stdout) -> None:
    """Send structlog and the standard library's logging through one JSON formatter."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(),
            _without_authorization,
        ],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in QUIET:
        # kopf logs a line for every event of every object; what matters of it is a warning.
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


@contextmanager
def pass_context(**names: str) -> Iterator[None]:
    """Add names to every line that is logged within."""
    with structlog.contextvars.bound_contextvars(**names):
        yield
