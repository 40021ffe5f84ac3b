"""Who asks, and may they: API keys, HMAC-SHA256 signatures and the age of a request."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_RECV_WINDOW_MS = 60_000
DEFAULT_RECV_WINDOW_MS = 5_000
MAX_AHEAD_MS = 1_000
KEY_LENGTH = 64


@dataclass(slots=True)
class ApiKey:
    """A key, its secret and what it may do."""

    key: str
    secret: str
    account: str = "main"
    may_trade: bool = True
    may_withdraw: bool = False

    def restrictions(self, created_ms: int) -> dict[str, object]:
        return {
            "ipRestrict": True,
            "createTime": created_ms,
            "enableReading": True,
            "enableWithdrawals": self.may_withdraw,
            "enableInternalTransfer": False,
            "enableMargin": False,
            "enableFutures": False,
            "permitsUniversalTransfer": False,
            "enableVanillaOptions": False,
            "enableFixApiTrade": False,
            "enableFixReadOnly": False,
            "enableSpotAndMarginTrading": self.may_trade,
            "enablePortfolioMarginTrading": False,
        }


def sign(secret: str, payload: str) -> str:
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def payload_of(query: str, body: str) -> tuple[str, str]:
    """What was signed (query and body, one after the other) and the signature, which comes last."""
    whole = query + body
    for separator in ("&signature=", "signature="):
        signed, found, signature = whole.partition(separator)
        if found:
            return signed, signature
    raise errors.missing("signature")


def check_key(keys: Mapping[str, ApiKey], sent: str | None) -> ApiKey:
    if not sent:
        raise errors.ApiError(-2014, "API-key format invalid.", 401)
    found = keys.get(sent)
    if found is not None:
        return found
    if len(sent) != KEY_LENGTH:
        raise errors.ApiError(-2014, "API-key format invalid.", 401)
    raise errors.ApiError(-2015, "Invalid API-key, IP, or permissions for action.", 401)


def check_signature(key: ApiKey, query: str, body: str) -> None:
    payload, signature = payload_of(query, body)
    if not hmac.compare_digest(sign(key.secret, payload), signature):
        raise errors.ApiError(-1022, "Signature for this request is not valid.")


def check_age(params: Mapping[str, str], now_ms: int) -> None:
    """Refuse what is from the future, and what is older than its receive window."""
    try:
        sent = int(params["timestamp"])
        window = int(params.get("recvWindow", DEFAULT_RECV_WINDOW_MS))
    except KeyError:
        raise errors.missing("timestamp") from None
    except ValueError:
        raise errors.illegal("timestamp", r"^[0-9]{1,20}$") from None
    if not 0 <= window <= MAX_RECV_WINDOW_MS:
        raise errors.ApiError(-1131, "recvWindow must be less than 60000.")
    if sent >= now_ms + MAX_AHEAD_MS:
        raise errors.ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - sent > window:
        raise errors.ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")
