"""One request to a bot's API, and its answer for a person or a program."""

from __future__ import annotations

import http.client
import json
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from rich.console import Console

from tradingbot.cli import remote_show
from tradingbot.domain import secrecy

if TYPE_CHECKING:
    from collections.abc import Mapping

EXIT_NO, EXIT_USAGE, EXIT_UNREACHABLE, EXIT_LATER, EXIT_KEY = 1, 2, 69, 75, 77
TIMEOUT_SECONDS = 10.0
MOST_BYTES = 16 * 1024 * 1024


class _Straight(urllib.request.HTTPRedirectHandler):
    """The key goes to the address that was given and to no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


def run(url: str, key: str, method: str, path: str, body: Any, show: str, *, as_json: bool) -> int:
    """Ask, print, and return the exit code."""
    errors = Console(stderr=True, highlight=False, soft_wrap=True)
    secrecy.hide([key])
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        errors.print(secrecy.conceal(f"--api-url must be written http://HOST:PORT, not {url!r}"), markup=False)
        return EXIT_USAGE
    try:
        status, answer = _ask(url.rstrip("/") + path, key, method, body)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        text = f"no bot answers at {url}: {reason}; is it running? set --api-url or TRADINGBOT_API_URL"
        errors.print(secrecy.conceal(text), markup=False)
        return EXIT_UNREACHABLE
    if as_json:
        sys.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False) + "\n")
    if status >= 400 and "detail" in answer:
        if not as_json:
            errors.print(f"{answer.get('title', status)}: {answer['detail']}", markup=False)
            if status in (401, 403):
                errors.print("set --api-key or TRADINGBOT_API_KEY", markup=False, style="dim")
    elif not as_json:
        width = None if sys.stdout.isatty() else 160
        remote_show.SHOWERS[show](answer, Console(highlight=False, width=width))
    return _exit(status, answer)


def _exit(status: int, answer: Mapping[str, Any]) -> int:
    if status < 400:
        return 0
    if status in (401, 403):
        return EXIT_KEY
    # Health answers 503 with what is not well, which is no reason to ask again.
    return EXIT_LATER if status >= 500 and "detail" in answer else EXIT_NO


def _ask(url: str, key: str, method: str, body: Any) -> tuple[int, dict[str, Any]]:
    headers = {"Accept": "application/json", "User-Agent": "tradingbot"}
    data = None
    if body is not None:
        data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
    if key:
        headers["X-API-Key"] = key
    request = urllib.request.Request(url, data=data, method=method, headers=headers)  # noqa: S310 - http(s) only
    # No proxy of the environment: the key is for this address alone.
    opener = urllib.request.build_opener(_Straight, urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=TIMEOUT_SECONDS) as response:
            return response.status, _parsed(response.read(MOST_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _parsed(error.read(MOST_BYTES))


def _parsed(data: bytes) -> dict[str, Any]:
    found = json.loads(data)
    if not isinstance(found, dict):
        raise ValueError("the answer is not that of a bot")  # noqa: TRY004 - it is a wrong answer, not a wrong type
    return found
