"""The people, the bots and the states that attacks start from, on a real API server with the chart's policies."""

from __future__ import annotations

import copy
import dataclasses
import itertools
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.api.crd.server import Manifest, Refused, Server

if TYPE_CHECKING:
    from collections.abc import Callable

API = "tradingbots.dev/v1alpha1"
OLD_DIGEST, DIGEST, NEW_DIGEST = (f"sha256:{digit * 64}" for digit in "123")
MERGE, JSON_PATCH, APPLY = "application/merge-patch+json", "application/json-patch+json", "application/apply-patch+yaml"

EDITORS = ("alice", "mallory")
PEOPLE = {
    "alice": "edits; asks for live trading",
    "mallory": "edits; up to no good",
    "bob": "approves",
    "erin": "approves too",
    "carol": "resumes",
    "dave": "edits, approves and resumes",
    "frank": "may approve and resume one single bot that is not the victim",
    "victor": "only looks",
    "admin": "administers the namespace (the cluster's own role admin)",
    "owner": "has every verb on everything of this group in the namespace",
    "robot": "has every verb, and is in policies.neverApprove",
    "gary": "approves and resumes, but a group of his is in policies.neverApprove",
    "oscar": "edits, approves and resumes in another namespace",
}
GROUPS = {"gary": ["interns"]}
NEVER_APPROVE = ["robot", "interns"]
IMAGES = ["registry.example/bot:", "registry.example/bot@"]


def ahead(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).strftime("%Y-%m-%dT%H:%M:%SZ")


def approval(by: str, digest: str = DIGEST, expires: str = "", **more: Any) -> Manifest:
    return {"digest": digest, "approvedBy": by, "expiresAt": expires or ahead(days=7), **more}


def approve(by: str, digest: str = DIGEST, expires: str = "", **more: Any) -> Manifest:
    """Return the patch that approves."""
    return {"spec": {"approval": approval(by, digest, expires, **more)}}


STOP: Manifest = {"spec": {"emergencyStop": {"active": True}}}
SPEC: Manifest = {
    "image": "registry.example/bot:1",
    "exchange": {"testMode": False, "credentialsSecretRef": {"name": "account"}, "orderConfirmationThreshold": 1000},
    "strategy": {"name": "breakout", "symbols": ["BTC/USDT"], "parameters": {"lookback": 20}},
    "risk": {
        "maxDrawdown": 0.15,
        "maxOrderValue": 5000,
        "maxStopDistance": 0.1,
        "maxTargetDistance": 0.5,
        "minConfidence": 0.5,
        "autonomous": False,
    },
    "promotion": {"minDays": 14},
    "database": {"secretRef": {"name": "database"}},
    "redis": {"secretRef": {"name": "redis"}},
    "api": {"secretRef": {"name": "api"}},
}


@dataclass
class World:
    """One namespace with bots, its people, and the operator's own hand on the status."""

    server: Server
    namespace: str
    other: str
    system: str
    alone: str
    """A namespace in which no policy but approval is in force, for what two policies refuse."""
    halted: str
    """A namespace whose annotation stops its bots, with no operator to see it; only the policy resume is in force."""
    operator: Server
    accounts: dict[str, Server]
    """Real ServiceAccounts with real tokens: gitops, ci (may edit), wildcard (every verb), approving (may approve)."""
    legacy: list[str] = field(default_factory=list)
    """Bots that were stored before the policies were, with everything wrong that the policies look for."""
    strange: str = "strange-image"
    """A simulation that was stored before the policies were, with an image that none of them would let in."""
    serial: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def with_the_policy_approval_only(self) -> World:
        return dataclasses.replace(self, namespace=self.alone)

    def in_the_halted_namespace(self) -> World:
        return dataclasses.replace(self, namespace=self.halted)

    # --- who ---------------------------------------------------------------------------------------------------

    def user(self, name: str) -> Server:
        """Return the connection as somebody else sees it: a person by impersonation, a ServiceAccount by its token."""
        if name in self.accounts:
            return self.accounts[name]
        assert name in PEOPLE
        return self.impersonated(name, *GROUPS.get(name, []))

    def impersonated(self, name: str, *groups: str, base: Server | None = None) -> Server:
        acting = copy.copy(base or self.server)
        acting._headers = {**acting._headers, "Impersonate-User": name}
        if groups:
            # One value per header is all that http.client takes from a mapping; a second group is not needed.
            acting._headers["Impersonate-Group"] = groups[0]
        return acting

    def account_name(self, name: str) -> str:
        return f"system:serviceaccount:{self.namespace}:{name}"

    # --- what --------------------------------------------------------------------------------------------------

    def path(self, name: str = "", subresource: str = "", namespace: str = "") -> str:
        path = f"/apis/{API}/namespaces/{namespace or self.namespace}/tradingbots"
        return path + (f"/{name}" if name else "") + subresource

    def manifest(self, name: str, **spec: Any) -> Manifest:
        return {
            "apiVersion": API,
            "kind": "TradingBot",
            "metadata": {"name": name},
            "spec": {**copy.deepcopy(SPEC), **spec},
        }

    def fresh(self) -> str:
        return f"bot-{next(self.serial)}"

    def get(self, name: str) -> Any:
        return self.server.request("GET", self.path(name))

    def create(self, who: str, name: str = "", *, namespace: str = "", **spec: Any) -> Any:
        return self.user(who).request(
            "POST", self.path(namespace=namespace), self.manifest(name or self.fresh(), **spec)
        )

    def patch(self, who: str, name: str, change: Any, content: str = MERGE, query: str = "") -> Any:
        return self.user(who).request("PATCH", self.path(name) + query, change, content)

    def apply(self, who: str, name: str, spec: Manifest) -> Any:
        """Server-side apply, as Flux and Helm 4 do."""
        manifest = {"apiVersion": API, "kind": "TradingBot", "metadata": {"name": name}, "spec": spec}
        return self.patch(who, name, manifest, APPLY, "?fieldManager=somebody&force=true")

    def put(self, who: str, name: str, change: Callable[[Manifest], object]) -> Any:
        """Replace the whole object, as `kubectl replace` does."""
        found = self.get(name)
        change(found)
        return self.user(who).request("PUT", self.path(name), found)

    def write_status(self, name: str, status: Manifest) -> Any:
        """Write the status as the operator does: with its own token, and for the version of the object that it saw."""
        status = {"observedGeneration": self.get(name)["metadata"]["generation"]} | status
        return self.operator.request("PATCH", self.path(name, "/status"), {"status": status}, MERGE)

    def delete(self, who: str, name: str) -> Any:
        return self.user(who).request("DELETE", self.path(name))

    # --- states that attacks start from ------------------------------------------------------------------------

    def simulating(self) -> str:
        """Alice's bot simulates, and the operator has published what an approval would have to name."""
        name = self.fresh()
        self.create("alice", name)
        self.write_status(name, {"approval": {"requiredDigest": DIGEST}})
        return name

    def asking(self) -> str:
        """Alice has asked for live trading; nobody has approved."""
        name = self.simulating()
        self.patch("alice", name, {"spec": {"mode": "live", "requestedBy": "alice"}})
        return name

    def approved(self) -> str:
        """Bob has approved what Alice asked for."""
        name = self.asking()
        self.patch("bob", name, approve("bob"))
        return name

    def stopping(self) -> str:
        """Somebody has stopped the bot this very moment, and nobody has seen it yet."""
        name = self.approved()
        self.patch("alice", name, {"spec": {"emergencyStop": {"active": True, "closePositions": True}}})
        return name

    def stopped(self) -> str:
        """The stop is latched; the spec still asks for it."""
        name = self.stopping()
        self.write_status(name, {"emergencyStop": self.latch("stop-2")})
        return name

    @staticmethod
    def latch(stop_id: str) -> Manifest:
        return {"id": stop_id, "since": ahead(), "closePositions": True}


def refused(request: Callable[[], object], says: str = "") -> bool:
    try:
        request()
    except Refused as refusal:
        return says in str(refusal)
    return False
