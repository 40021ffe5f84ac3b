"""What can go wrong when the API server is asked, converted once from status codes and exceptions."""

from __future__ import annotations

from typing import Any

from tradingbot_operator.api import depth
from tradingbot_operator.api.said import json_object


class KubeError(Exception):
    """A request failed. `code` is the HTTP status (0: no answer), `reason` the server's own word."""

    retryable = False

    def __init__(self, message: str, *, code: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


class NotFoundError(KubeError):
    """The object, its namespace or its kind does not exist (404)."""


class ConflictError(KubeError):
    """Another version, another owner of a field, or a name in use (409)."""


class InvalidError(KubeError):
    """The server refuses the object (400, 413, 415, 422): repeating does not help until something changes."""


class ForbiddenError(KubeError):
    """The operator may not do this, or a policy or quota of the namespace forbids it (401, 403)."""


class TerminatingError(ForbiddenError):
    """The namespace is being deleted: nothing can be created in it any more, and nothing needs to be."""


class ThrottledError(KubeError):
    """The server asks to come back later (429, or 503 with Retry-After)."""

    retryable = True

    def __init__(self, message: str, *, code: int = 429, reason: str = "", retry_after: float = 1.0) -> None:
        super().__init__(message, code=code, reason=reason)
        self.retry_after = retry_after


class UnavailableError(KubeError):
    """No answer, a timeout, or an error of the server's own (5xx): repeating helps."""

    retryable = True


class ExpiredError(KubeError):
    """The server no longer has this version (410): what was listed or watched must be listed anew."""

    retryable = True


def from_response(code: int, body: bytes, retry_after: str | None) -> KubeError:
    """Convert a refusal. The text is the server's message, which names objects and fields."""
    status = json_object(body) or {}
    message = str(status.get("message") or f"the API server answered {code}")
    reason = str(status.get("reason") or "")
    if code == 429 or (code == 503 and retry_after):
        seconds = float(retry_after) if retry_after and retry_after.isdecimal() else 1.0
        return ThrottledError(message, code=code, reason=reason, retry_after=seconds)
    causes = (status.get("details") or {}).get("causes") or []
    if code == 403 and any(cause.get("reason") == "NamespaceTerminating" for cause in causes):
        return TerminatingError(message, code=code, reason=reason)
    kinds: dict[int, type[KubeError]] = {
        400: InvalidError,
        401: ForbiddenError,
        403: ForbiddenError,
        404: NotFoundError,
        409: ConflictError,
        410: ExpiredError,
        413: InvalidError,
        415: InvalidError,
        422: InvalidError,
    }
    return kinds.get(code, UnavailableError)(message, code=code, reason=reason)


def parsed(data: bytes) -> Any:
    """Parse what the API server says; one object that is nested without end takes nothing from the others.

    Raise UnavailableError where it is no JSON.
    """
    try:
        return depth.read(data)
    except ValueError as error:
        raise UnavailableError("what the API server says cannot be read") from error
