"""Errors as problem+json (RFC 9457): what is wrong, and what to do. One place turns exceptions into answers."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from tradingbot.domain.secrecy import conceal, conceal_long
from tradingbot.observe import logs
from tradingbot.ports.store import FencedError, StoreError
from tradingbot.runtime.commands import RefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logs.get(__name__)
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class Problem(Exception):  # noqa: N818 - it is the name of the thing in the standard
    """An answer of 400 and above, with a code from a small set and a sentence."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail


def answer(status: int, code: str, detail: str, correlation_id: str) -> web.Response:
    """Write a problem."""
    detail = conceal(detail)
    body = {"type": "about:blank", "title": code, "status": status, "detail": detail, "correlation_id": correlation_id}
    return web.Response(status=status, body=msgspec.json.encode(body), content_type="application/problem+json")


@web.middleware
async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give every request a correlation id, every error its problem, and every answer its headers."""
    given = request.headers.get("X-Correlation-ID", "")
    correlation_id = given if _ID.fullmatch(given) else secrets.token_hex(8)
    logs.correlate(correlation_id)
    response: web.StreamResponse
    try:
        _bounded(request)
        response = await handler(request)
    except Problem as problem:
        response = answer(problem.status, problem.code, problem.detail, correlation_id)
    except RefusedError as refused:
        response = answer(409, refused.code, refused.text, correlation_id)
    except FencedError as error:
        response = answer(409, "NotTrading", f"another process trades now, ask it: {error}", correlation_id)
    except web.HTTPRequestEntityTooLarge:
        response = answer(413, "BodyTooLarge", _too_large(request), correlation_id)
    except web.HTTPRedirection as redirect:
        response = redirect
    except web.HTTPException as error:
        response = answer(error.status, error.reason.replace(" ", ""), _hint(error, request), correlation_id)
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
    except StoreError as error:
        detail = f"the database does not answer, try again: {error}"
        response = answer(503, "DatabaseUnavailable", detail, correlation_id)
    except Exception as error:  # noqa: BLE001 - the last line of defence: an answer, and a line in the log
        _log.exception("a request failed", path=request.path, error=repr(error))
        response = answer(500, "InternalError", f"see the log for correlation id {correlation_id}", correlation_id)
    if not response.prepared:
        _conceal(response)
        response.headers.update(HEADERS)
        response.headers["X-Correlation-ID"] = correlation_id
    return response


def _conceal(response: web.StreamResponse) -> None:
    """Take out what an error text brought into an answer; the last line of defence, as for errors."""
    body = response.body if isinstance(response, web.Response) else None
    if isinstance(response, web.Response) and isinstance(body, bytes):
        text = body.decode("utf-8", "surrogateescape")
        told = conceal_long(text)
        if told is not text:
            response.body = told.encode("utf-8", "surrogateescape")


def _bounded(request: web.Request) -> None:
    """Refuse a body that is too large by what it says of itself; one that says nothing is never read."""
    if (request.content_length or 0) > request.client_max_size:
        raise Problem(413, "BodyTooLarge", _too_large(request))


def _too_large(request: web.Request) -> str:
    return f"a request's body may have {request.client_max_size} bytes at most"


def _hint(error: web.HTTPException, request: web.Request) -> str:
    if error.status == 404:
        return f"there is no {request.path}; see /api/docs for what there is"
    if error.status == 405:
        return f"{request.method} is not possible here, but {error.headers.get('Allow', 'something else')} is"
    return error.text or error.reason
