"""Answers of the exchange that say no: code, sentence and HTTP status as Binance documents them."""

from __future__ import annotations


class ApiError(Exception):
    """A refusal that the client is told about."""

    def __init__(self, code: int, msg: str, status: int = 400, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{status} {code} {msg}")
        self.code = code
        self.msg = msg
        self.status = status
        self.headers = headers or {}

    def body(self) -> dict[str, object]:
        return {"code": self.code, "msg": self.msg}


class BrokenInvariantError(AssertionError):
    """The server's own books do not add up: a bug in the server, never a fault that was asked for."""


def missing(name: str) -> ApiError:
    return ApiError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def not_required(name: str) -> ApiError:
    return ApiError(-1106, f"Parameter '{name}' sent when not required.")


def illegal(name: str, legal: str) -> ApiError:
    return ApiError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def filter_failure(name: str) -> ApiError:
    return ApiError(-1013, f"Filter failure: {name}")


def refused(msg: str) -> ApiError:
    return ApiError(-2010, msg)


def insufficient_balance() -> ApiError:
    return refused("Account has insufficient balance for requested action.")


def unknown_symbol() -> ApiError:
    return ApiError(-1121, "Invalid symbol.")


def no_such_order() -> ApiError:
    return ApiError(-2013, "Order does not exist.")


def nothing_to_cancel() -> ApiError:
    return ApiError(-2011, "Unknown order sent.")
