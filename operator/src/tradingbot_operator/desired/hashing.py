"""Hashes of manifests: short, stable, independent of the order of keys."""

from __future__ import annotations

import hashlib
from typing import Any

import orjson


def digest(value: Any, length: int = 16) -> str:
    """Return the first `length` hexadecimal digits of the SHA-256 of the value's canonical JSON."""
    return hashlib.sha256(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)).hexdigest()[:length]
