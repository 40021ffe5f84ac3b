"""What the commands ask of a cluster. Tests put one in memory behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

Manifest = dict[str, Any]

FIELD_MANAGER: Final = "tradingbot-cli"
"""Not kubectl-tradingbot: Flux takes over, and so removes, what a manager wrote whose name *begins* with kubectl."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Which cluster, as whom, from the command line. Empty means: as kubectl would."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    as_user: str | None = None
    as_groups: tuple[str, ...] = ()
    timeout_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the API server says we are."""

    username: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LogOptions:
    """Which part of a log."""

    follow: bool = False
    tail: int | None = None
    since_seconds: int | None = None
    previous: bool = False
    timestamps: bool = False


class Api(Protocol):
    """One cluster. Every call raises a `KubeError` when it fails."""

    @property
    def namespace(self) -> str:
        """The namespace of the command: asked for, or the context's."""

    def get(self, namespace: str, name: str) -> Manifest:
        """Return one TradingBot."""

    def bots(self, namespace: str | None, selector: str = "") -> tuple[list[Manifest], str]:
        """Return the TradingBots of one or of all namespaces, and the version to watch from."""

    def watch(self, namespace: str | None, selector: str, version: str) -> Iterator[tuple[str, Manifest]]:
        """Yield type and object of each change, until the server ends it (a few minutes)."""

    def patch(self, namespace: str, name: str, change: Manifest, *, dry_run: bool = False) -> Manifest:
        """Merge-patch a TradingBot under the plugin's own field manager; return it as it is now."""

    def whoami(self) -> Identity:
        """Ask the API server who is asking."""

    def ask(self, namespace: str, name: str, path: str) -> Any:
        """GET a path of the bot's own API through the API server's service proxy; return its JSON."""

    def pods(self, namespace: str, name: str) -> list[Manifest]:
        """Return the bot's pods."""

    def log(self, namespace: str, pod: str, options: LogOptions) -> Iterator[str]:
        """Yield the lines of the bot's container."""
