"""What a process leaves behind when it ends: one JSON object where Kubernetes, and so the operator, reads it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tradingbot.domain.secrecy import conceal, conceal_all
from tradingbot.observe import logs

TERMINATION_LOG = "/dev/termination-log"
EXIT_CONFIGURATION = 78
_log = logs.get(__name__)


def leave(body: dict[str, Any]) -> None:
    """Write the object, if there is a place for it (`TERMINATION_LOG`, or the one that a pod has).

    Kubernetes keeps the last 4096 bytes, so whoever makes the object keeps it shorter.
    """
    path = Path(os.environ.get("TERMINATION_LOG") or TERMINATION_LOG)
    try:
        if os.environ.get("TERMINATION_LOG") or path.exists():
            path.write_text(json.dumps(conceal_all(body), ensure_ascii=False), encoding="utf-8")
    except OSError as error:
        _log.warning("the termination log cannot be written", path=str(path), error=str(error))


def refuse(reason: str, message: str) -> int:
    """Say why a configuration cannot work, in the log and in the termination log; return the exit code."""
    _log.error(message, reason=reason, exit_code=EXIT_CONFIGURATION)
    leave({"reason": reason, "message": conceal(message)[:3500]})
    return EXIT_CONFIGURATION
