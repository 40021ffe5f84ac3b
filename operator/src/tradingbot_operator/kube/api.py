"""What the rest of the operator asks of the API server. Tests put a server in memory behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tradingbot_operator.desired.kinds import Kind

Manifest = dict[str, Any]

FIELD_MANAGER = "tradingbot-operator"


class KubeApi(Protocol):
    """The API server. Every call is bounded in time and raises a `KubeError`."""

    def list_pages(
        self, kind: Kind, *, namespace: str = "", label_selector: str = "", limit: int = 100
    ) -> AsyncIterator[list[Manifest]]:
        """Yield all objects, page by page; without a namespace those of all namespaces."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        """Return one object."""

    async def apply(self, kind: Kind, manifest: Manifest, *, force: bool) -> Manifest:
        """Server-side apply; return the object as it is now. `force` takes fields over from other managers."""

    async def apply_new(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Server-side apply that only creates: raises ConflictError, and changes nothing, when the object exists."""

    async def apply_status(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Server-side apply of the status subresource; return the object as it is now."""

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        """Delete an object if it still has this uid."""

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Create an object (events only)."""
