"""Watching our own TradingBot. Needs no operator: whoever may edit the object can stop the bot.

The watch goes on from the last resourceVersion, so a stop that was taken back a millisecond later is still seen. Before
the first successful read nothing may be entered; afterwards the last known wish stays while the API server is away.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import msgspec
from tradingbot_contract.stops import stop_id

from tradingbot.domain.secrecy import describe
from tradingbot.domain.states import State
from tradingbot.observe import logs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tradingbot.ports.clock import Clock
    from tradingbot.runtime.control import Control

GROUP = "/apis/tradingbots.dev/v1alpha1"
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
WATCH_SECONDS = 240
READ_SECONDS = 10.0
BACKOFF = (0.2, 0.5, 1.0, 2.0, 5.0)
LINE_BYTES = 4 * 1024 * 1024

_STATES = {"Active": State.ACTIVE, "Paused": State.PAUSED, "Reducing": State.REDUCING}
_log = logs.get(__name__)


KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""Seconds, seconds, probes: a connection whose other end is gone is noticed within half a minute."""


class GoneError(Exception):
    """The resourceVersion is too old: read anew."""


class AnswerError(Exception):
    """The API server answered with something that is not the object."""


class Address(msgspec.Struct, frozen=True):
    """Where the object is, and how to ask for it."""

    url: str
    namespace: str
    name: str
    uid: str
    token: Path | None = None
    ca: Path | None = None

    @property
    def collection(self) -> str:
        """Return the URL of the namespace's TradingBots."""
        return f"{self.url.rstrip('/')}{GROUP}/namespaces/{self.namespace}/tradingbots"


def in_pod(environment: Mapping[str, str], namespace: str, name: str, uid: str, url: str = "") -> Address:
    """Return the address as a pod knows it: from its environment and its service account."""
    if url:
        return Address(url, namespace, name, uid)
    host, port = environment.get("KUBERNETES_SERVICE_HOST", ""), environment.get("KUBERNETES_SERVICE_PORT", "443")
    host = f"[{host}]" if ":" in host else host
    return Address(f"https://{host}:{port}", namespace, name, uid, ACCOUNT / "token", ACCOUNT / "ca.crt")


def _socket(address: tuple[Any, ...]) -> socket.socket:
    """Make a socket that notices when nobody is there any more: a silent watch must not hide a stop."""
    family, kind, protocol = address[0], address[1], address[2]
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


class SelfWatch:
    """Reads and watches one object; what it says goes to `Control` at once."""

    def __init__(self, address: Address, control: Control, clock: Clock) -> None:
        self.address, self.control, self.clock = address, control, clock
        self._seen = False
        self._version = ""

    @property
    def watching(self) -> bool:
        """Whether the object has been read, so that from here on no version of it is missed."""
        return self._seen

    async def run(self) -> None:
        """Watch for ever. Errors are waited out, and never loosen anything."""
        attempt = 0
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=READ_SECONDS, sock_read=WATCH_SECONDS + READ_SECONDS)
        connector = aiohttp.TCPConnector(socket_factory=_socket)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=LINE_BYTES) as session:
            while True:
                try:
                    if not self._version:
                        await self._read(session)
                    await self._watch(session)
                    attempt = 0
                    self._connected(1)
                except GoneError:
                    self._version = ""
                    attempt = 0
                except (aiohttp.ClientError, TimeoutError, OSError, AnswerError, ValueError) as error:
                    self._connected(0)
                    self._fail(error)
                    await self.clock.sleep(BACKOFF[min(attempt, len(BACKOFF) - 1)])
                    attempt += 1

    def _connected(self, value: int) -> None:
        self.control.metrics.watch.set(value)

    def _fail(self, error: Exception) -> None:
        text = describe(error)
        _log.warning("the own TradingBot cannot be watched, trying again", name=self.address.name, error=text)
        if not self._seen:
            self.control.hold("watch", State.HALTED, f"TradingBot {self.address.name} has not been read yet: {text}")

    def _request(self) -> dict[str, Any]:
        """Return headers and TLS; the token is read anew each time, because the kubelet rotates it."""
        headers = {"Accept": "application/json"}
        if self.address.token is not None:
            headers["Authorization"] = f"Bearer {self.address.token.read_text(encoding='utf-8').strip()}"
        if self.address.ca is None:
            return {"headers": headers}
        return {"headers": headers, "ssl": ssl.create_default_context(cafile=str(self.address.ca))}

    async def _read(self, session: aiohttp.ClientSession) -> None:
        url = f"{self.address.collection}/{self.address.name}"
        async with asyncio.timeout(READ_SECONDS), session.get(url, **self._request()) as response:
            if response.status == 404:
                if not self._seen:
                    raise AnswerError(f"there is no TradingBot {self.address.namespace}/{self.address.name}")
                self._deleted("it is gone")
                raise AnswerError("the object is gone")
            if response.status != 200:
                raise AnswerError(f"HTTP {response.status}: {(await response.text())[:200]}")
            self._take(msgspec.json.decode(await response.read()))

    async def _watch(self, session: aiohttp.ClientSession) -> None:
        """Follow the object from the last resourceVersion until the server ends the stream."""
        parameters = {
            "watch": "1",
            "fieldSelector": f"metadata.name={self.address.name}",
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        async with session.get(self.address.collection, params=parameters, **self._request()) as response:
            if response.status == 410:
                raise GoneError
            if response.status != 200:
                raise AnswerError(f"HTTP {response.status}: {(await response.text())[:200]}")
            self._connected(1)
            async for line in response.content:
                if line.strip():
                    self._event(msgspec.json.decode(line))

    def _event(self, event: dict[str, Any]) -> None:
        kind, item = event.get("type"), event.get("object") or {}
        if kind == "ERROR":
            if item.get("code") == 410:
                raise GoneError
            raise AnswerError(f"{item.get('code')}: {item.get('message')}")
        if kind == "BOOKMARK":
            self._version = item.get("metadata", {}).get("resourceVersion") or self._version
        elif kind == "DELETED":
            # What was wanted at the very end still counts: a stop that came with the deletion is a stop.
            self._take(item)
            self._deleted("it was deleted")
        elif kind in ("ADDED", "MODIFIED"):
            self._take(item)

    def _take(self, item: dict[str, Any]) -> None:
        """Obey what the object says."""
        metadata, spec = item.get("metadata") or {}, item.get("spec") or {}
        if metadata.get("name") != self.address.name:
            raise AnswerError(f"got {metadata.get('name')!r} instead of {self.address.name!r}")
        uid = str(metadata.get("uid", ""))
        self._version = str(metadata.get("resourceVersion", ""))
        if self.address.uid and uid != self.address.uid:
            self._deleted(f"another object has its name (uid {uid})")
            return
        seen_in = stop_id(uid, metadata.get("generation"))
        stop = spec.get("emergencyStop") or {}
        if stop.get("active") is True:
            self.control.emergency_stop(
                seen_in,
                "spec",
                str(stop.get("reason") or "spec.emergencyStop.active is true"),
                close_positions=stop.get("closePositions") is True,
            )
        latched = (item.get("status") or {}).get("emergencyStop") or {}
        if latched.get("id"):
            # The operator's latch. It is obeyed too: a stop of the namespace is nowhere else, and our database may have
            # been restored or replaced.
            self.control.stop_in_status(
                str(latched["id"]),
                str(latched.get("source") or "status"),
                str(latched.get("reason") or "status.emergencyStop holds a stop"),
                close_positions=latched.get("closePositions") is True,
            )
        standing = latched.get("standing") is True
        asked = State.KILLED if standing else State.ACTIVE
        self._hold("namespace", asked, "a stop of the whole namespace stands" if standing else "")
        resume = spec.get("resume") or {}
        self.control.resume.see(
            seen_in,
            str(resume.get("stopId") or ""),
            str(resume.get("reason") or ""),
            active=stop.get("active") is True or standing,
            void=str(latched.get("voidResume") or ""),
        )
        if self.control.trail is not None:
            self.control.trail.see(item)
        if self.control.approval is not None:
            self.control.approval.see(spec.get("approval"))
        wanted = spec.get("trading", "Active")
        state = _STATES.get(wanted, State.HALTED)
        self._hold("spec", state, f"spec.trading is {wanted}")
        if not self._seen:
            self._seen = True
            _log.info("own TradingBot read", name=self.address.name, resource_version=self._version)
        self._hold("watch", State.ACTIVE, "")

    def _hold(self, source: str, state: State, reason: str) -> None:
        for entry in self.control.board.restrictions():
            if entry.source == source:
                if entry.state is not state or entry.reason != reason:
                    self.control.hold(source, state, reason)
                return
        if state is not State.ACTIVE:
            self.control.hold(source, state, reason)

    def _deleted(self, how: str) -> None:
        self._hold("object", State.KILLED, f"TradingBot {self.address.namespace}/{self.address.name}: {how}")
