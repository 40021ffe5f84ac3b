"""What happened, in order: each request, the faults it met, and whether it took effect."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

UNTOLD = frozenset({"timestamp", "signature", "recvWindow"})


@dataclass(slots=True)
class Entry:
    """One request."""

    seq: int
    method: str
    path: str
    params: dict[str, str]
    faults: list[str] = field(default_factory=list)
    processed: bool = False
    """The exchange acted on it, whatever the client was told."""
    answered: bool = False
    """The client was told the outcome, as it is."""
    status: int = 0
    code: int = 0
    at: float = 0.0
    """When it came, by this machine's clock in seconds since 1970: for who measures, and not in the digest."""


class Journal:
    """The list of requests, and its fingerprint."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def open(self, method: str, path: str, params: Mapping[str, str]) -> Entry:
        told = {name: value for name, value in sorted(params.items()) if name not in UNTOLD}
        entry = Entry(len(self.entries) + 1, method, path, told, at=time.time())
        self.entries.append(entry)
        return entry

    def of(self, method: str, path: str) -> list[Entry]:
        """Every request to one endpoint."""
        return [entry for entry in self.entries if (entry.method, entry.path) == (method, path)]

    def faulty(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.faults]

    def digest(self) -> str:
        timeless = [{name: value for name, value in entry.items() if name != "at"} for entry in self.json()]
        text = json.dumps(timeless, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def json(self) -> list[dict[str, object]]:
        return [asdict(entry) for entry in self.entries]
