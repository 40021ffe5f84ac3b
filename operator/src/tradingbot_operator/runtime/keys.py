"""Names of objects, as the runtime uses them."""

from __future__ import annotations

from typing import NamedTuple


class Key(NamedTuple):
    """A custom resource: what is queued and reconciled."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class ObjectId(NamedTuple):
    """Any object of a watched kind."""

    kind: str
    namespace: str
    name: str
