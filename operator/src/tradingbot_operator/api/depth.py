"""JSON that is nested without end: the API server takes ten thousand levels, in free fields and in managedFields.

Parsers give up long before. One such object, in any namespace, must neither end the operator nor hide a stop that is
written in it: what lies deeper than any object of use is left out when it is read.
"""

from __future__ import annotations

import re
from typing import Any, Final

import orjson

LEVELS: Final = 64
"""What is kept of any object. Those of Kubernetes have about thirty levels."""
FREE_LEVELS: Final = 32
"""What a field may have whose content is free. What was cut is deeper than this, so nothing is ever built from it."""
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]')


def read(data: bytes | str) -> Any:
    """Parse JSON; null is read in the place of what is nested too deeply for that. Raises ValueError."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return orjson.loads(_cut(data.encode() if isinstance(data, str) else data))


def dump(value: Any) -> bytes:
    """Write JSON, with null in the place of what is nested too deeply for that."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(_shallow(value, LEVELS))


def is_deep(value: Any, levels: int = FREE_LEVELS) -> bool:
    """Return whether a value has more levels than that."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else None
    if inner is None:
        return False
    return levels == 0 or any(is_deep(one, levels - 1) for one in inner)


def _shallow(value: Any, levels: int) -> Any:
    if isinstance(value, dict):
        return {key: _shallow(one, levels - 1) for key, one in value.items()} if levels else None
    if isinstance(value, list | tuple):
        return [_shallow(one, levels - 1) for one in value] if levels else None
    return value


def _cut(text: bytes) -> bytes:
    kept, level, start = bytearray(), 0, 0
    for token in _TOKEN.finditer(text):
        first = token[0][:1]
        if first in b"[{":
            level += 1
            if level == LEVELS + 1:
                kept += text[start : token.start()] + b"null"
        elif first in b"]}":
            if level == LEVELS + 1:
                start = token.end()
            level -= 1
    return bytes(kept + text[start:]) if level == 0 else text
