"""Bots that answer for themselves, and preflights that end, where no kubelet runs anything."""

from __future__ import annotations

import contextlib
import json
import random
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.api.crd.server import Refused
from tests.support.waiting import PATIENCE_SECONDS, StillNotSoError, eventually

if TYPE_CHECKING:
    from tests.api.operator.harness import Manifest, Namespace

PORT = 8080
LIVE: dict[str, Any] = {
    "mode": "live",
    "requestedBy": "alice",
    "exchange": {"credentialsSecretRef": {"name": "keys"}},
}


class BotAnswers:
    """GET /api/v1/status of one bot, on an address of its own; `says` is what it answers."""

    def __init__(self) -> None:
        self.says: dict[str, Any] = {
            "mode": "simulation",
            "state": "ACTIVE",
            "role": "trading",
            "ready": True,
            "positions": 0,
            "open_orders": 0,
            "entry_orders": 0,
            "reasons": [],
            "stop": None,
            "last_stop": None,
        }
        self.asked = 0
        answers = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answers.asked += 1
                body = json.dumps(answers.says).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
                del format, args

        self._server = _listen(Handler)
        self.ip = str(self._server.server_address[0])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _listen(handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    """Listen where nobody else does: the operator asks every bot on the same port."""
    for _ in range(100):
        address = f"127.{random.randrange(40, 240)}.{random.randrange(256)}.{random.randrange(1, 255)}"
        with contextlib.suppress(OSError):
            return ThreadingHTTPServer((address, PORT), handler)
    raise RuntimeError(f"port {PORT} is in use on every address of this machine")


class LiveBot:
    """One bot on its way: Alice asks, Bob approves, the test plays kubelet."""

    def __init__(self, namespace: Namespace, answers: BotAnswers, name: str = "a") -> None:
        self.namespace, self.answers, self.name = namespace, answers, name

    def simulate(self) -> None:
        self.namespace.bot(self.name)
        self.namespace.wait_for_children(self.name)
        self.ready()
        self.namespace.wait_for_condition("Ready", "True", "Trading", self.name)

    def ready(self, image_id: str = "sha256:aa") -> None:
        """Make the pod of the present template the one that runs, and let the old one go."""
        pod = self.namespace.pod(self.name)
        self.namespace.kubelet(pod, ready=True, ip=self.answers.ip, imageID=image_id)
        for other in self.namespace.list("Pod", f"app.kubernetes.io/component=bot,tradingbots.dev/bot={self.name}"):
            if other["metadata"]["name"] != pod["metadata"]["name"]:
                self._end(other["metadata"]["name"])

    def _end(self, pod: str) -> None:
        path = f"/api/v1/namespaces/{self.namespace.name}/pods/{pod}?gracePeriodSeconds=0"
        try:
            self.namespace.request("DELETE", path)
        except Refused as gone:
            if gone.code != 404:
                raise

    def preflight(
        self, account: str = "k1", image_id: str = "sha256:aa", seconds: float = PATIENCE_SECONDS, **found: Any
    ) -> None:
        """End the preflight that is due; wait so long for it."""

        def pod() -> Manifest | None:
            pods = self.namespace.list("Pod", f"app.kubernetes.io/component=preflight,tradingbots.dev/bot={self.name}")
            return next((p for p in pods if not p["status"].get("containerStatuses")), None)

        said = {"kind": "preflight", "verdict": "OK", "reasons": [], "account": account, "checked_at": stamp()}
        terminated = {
            "exitCode": 0,
            "message": json.dumps(said | found),
            "startedAt": stamp(),
            "finishedAt": stamp(),
        }
        try:
            made = eventually(pod, "a pod of the preflight", seconds=seconds)
        except StillNotSoError as error:
            raise StillNotSoError(f"{error}; {self._surroundings()}") from error
        self.namespace.kubelet(made, ready=False, state={"terminated": terminated}, imageID=image_id)

    def _surroundings(self) -> str:
        """Tell what there is of this bot, for whoever has to find out why something is missing."""
        status = self.namespace.status(self.name)
        jobs = [job.get("status") for job in self.namespace.list("Job")]
        path = f"/apis/events.k8s.io/v1/namespaces/{self.namespace.name}/events"
        events = [(event["reason"], event.get("note")) for event in self.namespace.request("GET", path)["items"]]
        return f"status {json.dumps(status)}; jobs {jobs}; events {events[-20:]}"

    def ask(self) -> str:
        """Ask for live trading, and let the account be looked at; return what is to be approved."""
        self.edit(**LIVE)
        self.preflight()
        return self.digest()

    def digest(self, other_than: str = "") -> str:
        def look() -> str | None:
            found = str((self.namespace.status(self.name).get("approval") or {}).get("requiredDigest") or "")
            return found if found != other_than else None

        return eventually(look, "a digest to approve")

    def approve(self, digest: str, *, by: str = "bob", seconds: float = 3600) -> None:
        self.edit(approval={"digest": digest, "approvedBy": by, "expiresAt": stamp(seconds)})

    def go_live(self) -> str:
        self.simulate()
        digest = self.ask()
        self.approve(digest)
        self.until_live()
        return digest

    def go_live_for_a_while(self) -> None:
        """Go live on an approval that ends soon: as late as this machine needs to see the bot trade before that."""
        self.simulate()
        digest = self.ask()
        for seconds in (10, 20, 40, 80):
            ends = stamp(seconds)
            self.edit(approval={"digest": digest, "approvedBy": "bob", "expiresAt": ends})
            if self._trades_before(ends) and stamp(3) < ends:
                return
        raise AssertionError(f"it does not trade within {seconds} s of its approval")

    def _trades_before(self, ends: str) -> bool:
        def live() -> Manifest:
            found: Manifest = self.namespace.status(self.name).get("live") or {}
            return found

        eventually(lambda: self.env()["TRADING_MODE"] == "live" or stamp() > ends, "it goes live, or it is too late")
        if self.env()["TRADING_MODE"] == "live":
            self.until_live()
            eventually(lambda: live().get("state") == "Trading" or stamp() > ends, "it trades, or it is too late")
        return live().get("state") == "Trading" and live().get("expiresAt") == ends

    def until_live(self, image_id: str = "sha256:aa") -> None:
        eventually(lambda: self.env()["TRADING_MODE"] == "live", "the Deployment is a live bot's")
        self.answers.says |= {"mode": "live", "account": "k1"}
        self.ready(image_id)

    def edit(self, **spec: Any) -> None:
        self.namespace.edit("TradingBot", self.name, {"spec": spec})

    def template(self) -> Manifest:
        template: Manifest = self.namespace.children(self.name)["Deployment"]["spec"]["template"]
        return template

    def env(self) -> dict[str, Any]:
        return {e["name"]: e.get("value") for e in self.template()["spec"]["containers"][0]["env"]}

    def config(self) -> str:
        name = self.template()["spec"]["volumes"][0]["configMap"]["name"]
        found = self.namespace.get("ConfigMap", name)
        return str(found["data"]["config.yaml"]) if found else ""

    def closed(self) -> set[str]:
        """The gates that are not open."""
        return {gate["name"] for gate in self.namespace.status(self.name).get("gates", []) if gate["state"] != "Open"}

    def until(self, state: str) -> Manifest:
        """Wait until the live bot is in this state."""

        def look() -> Manifest | None:
            live = self.namespace.status(self.name).get("live") or {}
            return live if live.get("state") == state else None

        return eventually(look, f"status.live.state {state}")

    def stays_out(self, seconds: float = 2.0) -> None:
        """Demand that nothing becomes live for a while."""
        deadline = datetime.now(UTC) + timedelta(seconds=seconds)
        while datetime.now(UTC) < deadline:
            assert self.env()["TRADING_MODE"] == "simulation"
            assert "live" not in self.namespace.status(self.name)


def stamp(seconds: float = 0) -> str:
    """A moment from now, as Kubernetes writes it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
