"""What this process knows and must not say: keys, passwords, tokens, and addresses that hold them.

Whoever reads a secret names it here; whatever leaves the process (log, standard error, answers of the API, messages,
reports) goes through `conceal`. An exception of a library may carry an address or a key in its text, and nobody has to
think of that where it is caught.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable

SHOWN = "[not shown]"
SHORTEST = 4
"""A value with fewer characters is in too many words to be looked for."""
LONG = 12
"""A value of this length is looked for inside of words too; a shorter one must stand by itself."""

_PRIVATE = re.compile(
    r"password|passwd|secret|api_?key|token|authorization|credential|webhook|(db|redis|database)_url", re.IGNORECASE
)
_USER_INFO = re.compile(r"(?<=://)(?!USER:PASSWORD@)[^\s/?#@'\"]*@")
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{16,}")
_QUERY = re.compile(r"([?&](?:signature|api_?key|access_token|token|secret|password)=)[^&\s'\"]+", re.IGNORECASE)


class _Known:
    """The values of this process."""

    def __init__(self) -> None:
        self.values: set[str] = set()
        self.long: tuple[str, ...] = ()
        self.short: re.Pattern[str] | None = None


_known = _Known()


def hide(values: Iterable[str]) -> None:
    """From now on these values are secret; of an address, each part that opens something is too."""
    found = set(_known.values)
    for value in values:
        found.update(form for part in _parts(value) for form in _forms(part))
    if found == _known.values:
        return
    _known.values = found
    ordered = sorted(found, key=lambda value: (-len(value), value))
    _known.long = tuple(value for value in ordered if len(value) >= LONG)
    short = "|".join(re.escape(value) for value in ordered if len(value) < LONG)
    _known.short = re.compile(rf"(?<![A-Za-z0-9])(?:{short})(?![A-Za-z0-9])") if short else None


def forget() -> None:
    """Know nothing any more (for tests, which are many processes in one)."""
    _known.values, _known.long, _known.short = set(), (), None


def conceal(text: str) -> str:
    """Return the text without any secret that is known, and without what looks like one in an address or a header."""
    text = conceal_long(text)
    if _known.short is not None:
        text = _known.short.sub(SHOWN, text)
    if "://" in text:
        text = _USER_INFO.sub(f"{SHOWN}@", text)
    if "=" in text:
        text = _QUERY.sub(rf"\g<1>{SHOWN}", text)
    return _BEARER.sub(rf"\g<1> {SHOWN}", text)


def describe(error: BaseException) -> str:
    """Describe an error: its type and its text, without secrets."""
    return conceal(f"{type(error).__name__}: {error}")


def first_line(error: BaseException) -> str:
    """Describe an error by its type and the first line of its text, without secrets."""
    text = str(error).strip().splitlines()
    return conceal(f"{type(error).__name__}: {text[0] if text else 'no answer'}")


def conceal_long(text: str) -> str:
    """Return the text without those secrets that are too long to be part of something else by chance."""
    for value in _known.long:
        if value in text:
            text = text.replace(value, SHOWN)
    return text


def conceal_all(value: Any) -> Any:
    """Do the same with everything within lists and dicts, and leave out whatever a key calls a secret."""
    if isinstance(value, str):
        return conceal(value)
    if isinstance(value, dict):
        return {key: SHOWN if private(key) and held else conceal_all(held) for key, held in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [conceal_all(held) for held in value]
    return value if value is None or isinstance(value, int | float) else conceal(str(value))


def private(name: object) -> bool:
    """Tell whether something with this name is a secret."""
    return isinstance(name, str) and _PRIVATE.search(name) is not None


def _parts(value: str) -> set[str]:
    value = value.strip()
    found = {value}
    if "://" not in value:
        return found
    try:
        address = urlsplit(value)
        found.update({address.password or "", unquote(address.password or "")})
        if not address.password:
            # An address without a password that is secret all the same: what opens it is in its path or query.
            found.update(part for part in address.path.split("/") if len(part) >= LONG)
        found.update(held for _, held in parse_qsl(address.query) if len(held) >= LONG)
    except ValueError:
        pass
    return found


def _forms(value: str) -> set[str]:
    """Return a value as it is written in texts, in addresses, in JSON and by Python."""
    if len(value) < SHORTEST:
        return set()
    return {
        value,
        quote(value, safe="", errors="surrogatepass"),
        quote_plus(value, errors="surrogatepass"),
        json.dumps(value)[1:-1],
        repr(value)[1:-1],
    }
