"""What the rest of the operator asks of the API server. Tests put a server in memory behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tradingbot_operator.desired.kinds import Kind

Manifest = dict[str, Any]

FIELD_MANAGER = "tradingbot-operator"


class Page(NamedTuple):
    """A part of a LIST, with the version of the whole: a watch from there on misses nothing."""

    items: list[Manifest]
    version: str


class WatchEvent(NamedTuple):
    """What a watch tells: ADDED, MODIFIED, DELETED, or BOOKMARK, whose object has a version only."""

    type: str
    obj: Manifest


class KubeApi(Protocol):
    """The API server. Every call is bounded in time and raises a `KubeError`."""

    def list_pages(
        self, kind: Kind, *, namespace: str = "", label_selector: str = "", limit: int = 100
    ) -> AsyncIterator[Page]:
        """Yield all objects, page by page; without a namespace those of all namespaces."""

    def watch(
        self, kind: Kind, *, namespace: str = "", label_selector: str = "", version: str
    ) -> AsyncIterator[list[WatchEvent]]:
        """Yield what happens after `version`, as it arrives; end when the server ends it or falls silent.

        Raise ExpiredError when the server no longer knows what happened since.
        """

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest:
        """Return one object."""

    async def apply(self, kind: Kind, manifest: Manifest, *, force: bool) -> Manifest:
        """Server-side apply; return the object as it is now. `force` takes fields over from other managers."""

    async def apply_new(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Server-side apply that only creates: raises ConflictError, and changes nothing, when the object exists."""

    async def apply_status(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Server-side apply of the status subresource; return the object as it is now."""

    def declared(self, status: Manifest) -> Manifest:
        """Return what of a status the server knows: all of it, unless its CRD is older than the operator."""

    async def patch(self, kind: Kind, namespace: str, name: str, patch: Manifest) -> Manifest:
        """Strategic merge patch, to remove what an apply does not name; return the object as it is now."""

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        """Delete an object if it still has this uid."""

    async def create(self, kind: Kind, manifest: Manifest) -> Manifest:
        """Create an object (events only)."""
