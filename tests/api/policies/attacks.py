"""The attacks, as a table: what somebody tries, from which state, and the sentence that stops them.

docs/security.md lists each of them by its id; tests/unit/operator/test_security_doc.py keeps the two in step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from tests.api.crd.server import Manifest, Refused
from tests.api.policies.world import (
    DIGEST,
    JSON_PATCH,
    MERGE,
    NEW_DIGEST,
    OLD_DIGEST,
    SPEC,
    STOP,
    World,
    ahead,
    approval,
    approve,
)

if TYPE_CHECKING:
    from collections.abc import Callable

RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces"
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"

NO_VERB_APPROVE = "needs the verb approve"
NO_VERB_RESUME = "needs the verb resume"
NOT_YOURS = "must be the one who writes it"
OWN_REQUEST = "you asked for this yourself"
NOT_A_PERSON = "approved by a person"
NOT_RESUMED_BY_A_PERSON = "resumed by a person"
NEVER = "policies.neverApprove"
OTHER_DIGEST = "this digest is not what is to be approved now"
TRAVELS = "may not travel with a change"
CREATED_APPROVED = "cannot be created with its approval"
UNSIGNED = "signs for it"
KEPT_REQUESTER = "keeps its spec.requestedBy"
FORGED_REQUESTER = "names somebody else"
ANOTHER_STOP = "names another stop"
NOT_LATCHED = "not latched yet"
STATUS = "written by the operator alone"
NO_SPEC = "the operator changes no spec"
STRANGE = "none of the images that may run here"
STANDING = "the namespace still asks for the stop"
RBAC_SAYS_NO = "cannot"


LOOSER: dict[str, Any] = {
    "dailyLossLimit": 0.1,
    "maxPositionSize": 0.5,
    "riskPerTrade": 0.02,
    "maxOpenPositions": 6,
    "minRiskRewardRatio": 2,
    "maxOrderValue": 6000,
    "maxOrdersPerMinute": 61,
    "priceCollar": 0.1,
    "maxPriceJump": 0.3,
    "maxStopDistance": 0.2,
    "maxTargetDistance": 0.6,
    "minConfidence": 0.4,
    "autonomous": True,
    "onBreach": "Flatten",
}
"""Every limit, with a value that permits more than `SPEC` (of onBreach, which has no looser one, another)."""


@dataclass(frozen=True)
class Attack:
    """One thing that must not be possible."""

    id: str
    state: Callable[[World], str]
    """Makes the victim."""
    attempt: Callable[[World, str], Any]
    """What is sent to the API server; it must be refused, and the victim must stay as it is."""
    says: str
    """Part of the answer: that it was refused is not enough, it must have been for this reason."""
    also_refused: bool = False
    """The policy requester refuses it too, and the server tells only one of the two: tried without that one as well."""


def patch(who: str, change: Manifest) -> Callable[[World, str], Any]:
    return lambda world, bot: world.patch(who, bot, change)


def spec(who: str, **change: Any) -> Callable[[World, str], Any]:
    return patch(who, {"spec": change})


def approving(who: str, by: str = "", digest: str = DIGEST, **change: Any) -> Callable[[World, str], Any]:
    """Approve, with anything else in the same write. The time is taken when it happens."""
    return lambda world, bot: world.patch(who, bot, {"spec": {"approval": approval(by or who, digest), **change}})


def creating(who: str, **content: Any) -> Callable[[World, str], Any]:
    return lambda world, _: world.create(who, **content)


def nothing(_: World) -> str:
    return ""


def as_operator(**change: Any) -> Callable[[World, str], Any]:
    """Write the spec with the operator's own token."""
    return lambda world, bot: world.operator.request("PATCH", world.path(bot), {"spec": change}, MERGE)


def standing(world: World) -> str:
    """The stop is the namespace's, whose annotation is still there."""
    name = world.stopped()
    world.write_status(name, {"emergencyStop": world.latch("stop-2") | {"standing": True}})
    return name


SIMULATING, ASKING, APPROVED = World.simulating, World.asking, World.approved
STOPPING, STOPPED = World.stopping, World.stopped


def asking_self(world: World) -> str:
    name = world.simulating()
    world.patch("dave", name, {"spec": {"mode": "live", "requestedBy": "dave"}})
    return name


def newer(world: World) -> str:
    """Another image waits for its approval, beside what alice asked for."""
    name = world.asking()
    approval = {"requiredDigest": DIGEST, "newer": {"digest": NEW_DIGEST, "image": "registry.example/bot:2"}}
    world.write_status(name, {"approval": approval})
    return name


def of_before(world: World) -> str:
    """A live bot that was stored before the policies were, and whose digest the operator has published."""
    name = world.legacy[0]
    world.write_status(name, {"approval": {"requiredDigest": DIGEST}})
    return name


def asked_in_simulation(world: World) -> str:
    """Alice asked for live trading, and took it back."""
    name = world.asking()
    world.patch("alice", name, {"spec": {"mode": "simulation"}})
    return name


def unpublished(world: World) -> str:
    name = world.fresh()
    world.create("alice", name, mode="live", requestedBy="alice")
    return name


def changed_since(world: World) -> str:
    """What bob once approved was changed by alice, and the operator has published the new digest."""
    name = world.approved()
    world.patch("alice", name, {"spec": {"risk": {"maxDrawdown": 0.5}, "approval": None}})
    world.write_status(name, {"approval": {"requiredDigest": NEW_DIGEST}})
    return name


def stopped_again(world: World) -> str:
    """Stopped, resumed by carol, and stopped once more."""
    name = world.stopped()
    world.patch("carol", name, resuming("stop-2"))
    world.patch("alice", name, STOP)
    world.write_status(name, {"emergencyStop": world.latch("stop-9")})
    return name


def resumed_and_stopping_again(world: World) -> str:
    """The latch of the first stop is still in the status; nobody has seen the second stop yet."""
    name = world.stopped()
    world.patch("carol", name, resuming("stop-2"))
    world.patch("alice", name, STOP)
    return name


def stopping_again_without_the_resume(world: World) -> str:
    """The same, with the resume taken out in the write that stops: the old latch looks like that of this stop."""
    name = world.stopped()
    world.patch("carol", name, resuming("stop-2"))
    world.patch("alice", name, {"spec": {"emergencyStop": {"active": True}, "resume": None}})
    return name


def annotated(world: World) -> str:
    """The namespace was stopped this very moment, or while no operator runs: no status says so yet."""
    return world.in_the_halted_namespace().stopped()


def stop_asked_without_closing(world: World) -> str:
    """Latched without closing positions; then somebody asked for that too, and nobody has seen it yet."""
    name = world.approved()
    world.patch("alice", name, STOP)
    world.write_status(name, {"emergencyStop": {**world.latch("stop-2"), "closePositions": False}})
    world.patch("alice", name, {"spec": {"emergencyStop": {"closePositions": True}}})
    return name


def resumed(world: World) -> str:
    name = world.stopped()
    world.patch("carol", name, resuming("stop-2"))
    return name


def unstopped(world: World) -> str:
    """Latched; the spec no longer asks for the stop (GitOps has reverted it)."""
    name = world.stopped()
    world.patch("alice", name, {"spec": {"emergencyStop": None}})
    return name


def resuming(stop_id: str, *, active: bool = False) -> Manifest:
    return {"spec": {"resume": {"stopId": stop_id, "reason": "it is safe"}, "emergencyStop": {"active": active}}}


def resume(who: str, stop_id: str, *, active: bool = False) -> Callable[[World, str], Any]:
    return patch(who, resuming(stop_id, active=active))


def digest_of_another_bot(world: World, bot: str) -> Any:
    another = world.fresh()
    world.create("alice", another, mode="live", requestedBy="alice")
    world.write_status(another, {"approval": {"requiredDigest": OLD_DIGEST}})
    return world.patch("bob", bot, approve("bob", OLD_DIGEST))


def recreate_with(world: World, bot: str, **content: Any) -> Any:
    """Delete and create again what was there, as `kubectl replace --force` and restores do."""
    saved = world.get(bot)
    world.delete("dave", bot)
    world.create("dave", bot, **{**saved["spec"], "requestedBy": "dave", **content})


def recreate_approved(world: World, bot: str) -> Any:
    try:
        recreate_with(world, bot)
    finally:
        assert_gone(world, bot)


def recreate_resumed(world: World, bot: str) -> Any:
    try:
        recreate_with(world, bot, approval=None)
    finally:
        assert_gone(world, bot)


def assert_gone(world: World, bot: str) -> None:
    with pytest.raises(Refused, match="not found"):
        world.get(bot)


def forged_stamps(world: World, bot: str) -> Any:
    """Claim in managedFields that it is later than it is."""

    def change(found: Manifest) -> None:
        found["spec"]["approval"] = approval("bob", expires=ahead(days=300))
        found["metadata"]["managedFields"].append(
            {
                "manager": "clock",
                "operation": "Update",
                "apiVersion": "tradingbots.dev/v1alpha1",
                "time": ahead(days=299),
                "fieldsType": "FieldsV1",
                "fieldsV1": {"f:spec": {"f:approval": {".": {}, "f:expiresAt": {}}}},
            }
        )

    return world.put("bob", bot, change)


def without_stamps(world: World, bot: str) -> Any:
    """Empty managedFields, so that there is no time to compare with."""

    def change(found: Manifest) -> None:
        found["spec"]["approval"] = approval("bob", expires=ahead(days=300))
        found["metadata"]["managedFields"] = [{}]

    return world.put("bob", bot, change)


def role_for(who: str, verb: str) -> Callable[[World, str], Any]:
    def attempt(world: World, _: str) -> Any:
        rules = [{"apiGroups": ["tradingbots.dev"], "resources": ["tradingbots"], "verbs": [verb]}]
        body = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "Role",
            "metadata": {"name": "mine"},
            "rules": rules,
        }
        return world.user(who).request("POST", f"{RBAC}/{world.namespace}/roles", body)

    return attempt


def bind_role(who: str, role: str) -> Callable[[World, str], Any]:
    def attempt(world: World, _: str) -> Any:
        body = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "mine"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": who}],
        }
        return world.user(who).request("POST", f"{RBAC}/{world.namespace}/rolebindings", body)

    return attempt


def remove_policy(who: str, path: str, policy: str) -> Callable[[World, str], Any]:
    def attempt(world: World, _: str) -> Any:
        return world.user(who).request("DELETE", f"{path}/{world.system}.tbo-tradingbot-operator.{policy}")

    return attempt


def impersonate(victim: str) -> Callable[[World, str], Any]:
    def attempt(world: World, bot: str) -> Any:
        pretending = world.impersonated(victim, base=world.accounts["ci"])
        return pretending.request("PATCH", world.path(bot), approve(victim), "application/merge-patch+json")

    return attempt


def status(who: str, change: Manifest) -> Callable[[World, str], Any]:
    def attempt(world: World, bot: str) -> Any:
        acting = world.server if who == "cluster-admin" else world.user(who)
        return acting.request("PATCH", world.path(bot, "/status"), {"status": change}, "application/merge-patch+json")

    return attempt


def put_status(world: World, bot: str) -> Any:
    found = world.get(bot)
    found["status"]["emergencyStop"] = None
    return world.user("owner").request("PUT", world.path(bot, "/status"), found)


def read(who: str) -> Callable[[World, str], Any]:
    return lambda world, bot: world.user(who).request("GET", world.path(bot))


def unsigned(part: str, **change: Any) -> Attack:
    """Mallory changes what alice signed for and bob approved, without signing."""
    return Attack(f"unsigned-{part}", APPROVED, spec("mallory", **change), UNSIGNED)


def together(part: str, **change: Any) -> Attack:
    """Bob approves, and changes what he approves in the same write; only he knows what he looked at."""
    return Attack(f"approve-together-with-{part}", ASKING, approving("bob", **change), TRAVELS, also_refused=True)


APPROVALS = (
    Attack("approve-without-the-verb", ASKING, approving("mallory"), NO_VERB_APPROVE),
    Attack(
        "approve-without-the-verb-by-put",
        ASKING,
        lambda w, b: w.put("mallory", b, lambda found: found["spec"].update(approval=approval("mallory"))),
        NO_VERB_APPROVE,
    ),
    Attack(
        "approve-without-the-verb-by-json-patch",
        ASKING,
        lambda w, b: w.patch(
            "mallory", b, [{"op": "add", "path": "/spec/approval", "value": approval("mallory")}], JSON_PATCH
        ),
        NO_VERB_APPROVE,
    ),
    Attack(
        "approve-without-the-verb-by-server-side-apply",
        ASKING,
        lambda w, b: w.apply(
            "mallory", b, {**SPEC, "mode": "live", "requestedBy": "alice", "approval": approval("mallory")}
        ),
        NO_VERB_APPROVE,
    ),
    Attack(
        "approval-hidden-behind-a-stop", APPROVED, approving("mallory", emergencyStop={"active": True}), NO_VERB_APPROVE
    ),
    Attack("approve-in-the-name-of-an-approver", ASKING, approving("mallory", by="bob"), NO_VERB_APPROVE),
    Attack("approver-signs-with-another-name", ASKING, approving("bob", by="erin"), NOT_YOURS),
    Attack("approver-signs-with-an-account-of-the-system", ASKING, approving("bob", by="system:admin"), NOT_YOURS),
    Attack("approve-ones-own-request", asking_self, approving("dave"), OWN_REQUEST),
    Attack(
        "approve-ones-own-request-under-another-name",
        asking_self,
        approving("dave", requestedBy="alice"),
        OWN_REQUEST,
        also_refused=True,
    ),
    Attack(
        "approve-ones-own-request-and-drop-the-requester",
        asking_self,
        approving("dave", requestedBy=None),
        OWN_REQUEST,
        also_refused=True,
    ),
    Attack("approve-and-become-the-requester", ASKING, approving("bob", requestedBy="bob"), OWN_REQUEST),
    Attack(
        "request-and-approve-in-one-write", SIMULATING, approving("dave", mode="live", requestedBy="dave"), OWN_REQUEST
    ),
    Attack(
        "request-for-another-and-approve-in-one-write",
        SIMULATING,
        approving("dave", mode="live", requestedBy="alice"),
        TRAVELS,
        also_refused=True,
    ),
    Attack(
        "serviceaccount-with-the-verb-approves",
        ASKING,
        lambda w, b: w.patch("approving", b, approve(w.account_name("approving"))),
        NOT_A_PERSON,
    ),
    Attack(
        "serviceaccount-with-every-verb-approves",
        ASKING,
        lambda w, b: w.patch("wildcard", b, approve(w.account_name("wildcard"))),
        NOT_A_PERSON,
    ),
    Attack(
        "serviceaccount-that-edits-approves",
        ASKING,
        lambda w, b: w.patch("gitops", b, approve(w.account_name("gitops"))),
        NOT_A_PERSON,
    ),
    Attack("serviceaccount-approves-in-a-persons-name", ASKING, approving("wildcard", by="bob"), NOT_A_PERSON),
    Attack("denied-user-with-every-verb-approves", ASKING, approving("robot"), NEVER),
    Attack("member-of-a-denied-group-approves", ASKING, approving("gary"), NEVER),
    Attack("approver-of-another-bot-approves", ASKING, approving("frank"), NO_VERB_APPROVE),
    Attack("approver-of-another-namespace-approves", ASKING, approving("oscar"), RBAC_SAYS_NO),
    Attack("viewer-approves", ASKING, approving("victor"), RBAC_SAYS_NO),
    Attack("pretend-to-be-an-approver", ASKING, impersonate("bob"), "cannot impersonate"),
    Attack("approve-an-invented-digest", ASKING, approving("bob", digest=OLD_DIGEST), OTHER_DIGEST),
    Attack("replay-the-digest-of-before-the-change", changed_since, approving("bob", digest=DIGEST), OTHER_DIGEST),
    Attack("replay-the-digest-of-another-bot", ASKING, digest_of_another_bot, OTHER_DIGEST),
    Attack("approve-a-third-digest-beside-a-newer", newer, approving("bob", digest=OLD_DIGEST), OTHER_DIGEST),
    Attack("approve-before-there-is-a-digest", unpublished, approving("bob"), "has not yet published"),
    Attack("approve-what-nobody-asked-for", SIMULATING, approving("bob"), "nobody has asked for live trading"),
    Attack("approve-what-was-taken-back", asked_in_simulation, approving("bob"), "nobody has asked for live trading"),
    Attack("approve-a-live-bot-that-nobody-signed-for", of_before, approving("bob"), "nobody has asked"),
    Attack(
        "create-approved-and-live",
        nothing,
        creating("dave", mode="live", requestedBy="dave", approval=approval("dave", expires="2040-01-01T00:00:00Z")),
        CREATED_APPROVED,
    ),
    Attack(
        "create-approved-in-simulation",
        nothing,
        creating("dave", approval=approval("dave", expires="2040-01-01T00:00:00Z")),
        CREATED_APPROVED,
    ),
    Attack("re-create-with-the-old-approval", APPROVED, recreate_approved, CREATED_APPROVED),
    Attack(
        "extend-an-approval-without-the-verb",
        APPROVED,
        lambda w, b: w.patch("mallory", b, {"spec": {"approval": {"expiresAt": ahead(days=29)}}}),
        NO_VERB_APPROVE,
    ),
    Attack(
        "extend-the-approval-of-another-approver",
        APPROVED,
        lambda w, b: w.patch("erin", b, {"spec": {"approval": {"expiresAt": ahead(days=29)}}}),
        NOT_YOURS,
    ),
    Attack(
        "requester-extends-the-approval",
        APPROVED,
        lambda w, b: w.patch("alice", b, {"spec": {"approval": {"expiresAt": ahead(days=29)}}}),
        NO_VERB_APPROVE,
    ),
    Attack(
        "rewrite-what-the-approver-said",
        APPROVED,
        spec("mallory", approval={"comment": "all looked at"}),
        NO_VERB_APPROVE,
    ),
    Attack(
        "approve-for-longer-than-allowed",
        ASKING,
        lambda w, b: w.patch("bob", b, approve("bob", expires=ahead(days=31))),
        "at most 30 days",
    ),
    Attack("approve-for-longer-with-a-forged-clock", ASKING, forged_stamps, "at most 30 days"),
    Attack("approve-for-longer-without-a-clock", ASKING, without_stamps, "at most 30 days"),
    Attack(
        "approve-until-yesterday",
        ASKING,
        lambda w, b: w.patch("bob", b, approve("bob", expires=ahead(days=-1))),
        "has passed already",
    ),
    together("looser-limits", risk={"maxDrawdown": 0.9}),
    together("tighter-limits", risk={"maxDrawdown": 0.1}),
    together("image", image="registry.example/bot:2"),
    together("strategy", strategy={"parameters": {"lookback": 1}}),
    together("exchange", exchange={"credentialsSecretRef": {"name": "another-account"}}),
    together("database", database={"secretRef": {"name": "another"}}),
    together("redis", redis={"secretRef": {"name": "another"}}),
    together("control-key", api={"secretRef": {"name": "another"}}),
    together("promotion", promotion=None),
    together("requester", requestedBy="erin"),
    Attack(
        "approve-together-with-going-live",
        asked_in_simulation,
        approving("bob", mode="live"),
        TRAVELS,
        also_refused=True,
    ),
)


REQUESTS = (
    Attack("create-live-unsigned", nothing, creating("mallory", mode="live"), UNSIGNED),
    Attack("create-live-in-anothers-name", nothing, creating("mallory", mode="live", requestedBy="alice"), UNSIGNED),
    Attack(
        "create-in-simulation-in-anothers-name", nothing, creating("mallory", requestedBy="alice"), FORGED_REQUESTER
    ),
    Attack("forge-the-requester-of-a-simulation", SIMULATING, spec("mallory", requestedBy="alice"), FORGED_REQUESTER),
    Attack("forge-the-requester-of-a-live-bot", APPROVED, spec("mallory", requestedBy="erin"), FORGED_REQUESTER),
    Attack(
        "approver-makes-another-the-requester-of-own-change",
        APPROVED,
        spec("dave", risk={"maxDrawdown": 0.9}, requestedBy="erin"),
        UNSIGNED,
    ),
    Attack("approver-changes-what-another-signed-for", APPROVED, spec("dave", risk={"maxDrawdown": 0.9}), UNSIGNED),
    Attack("go-live-unsigned", SIMULATING, spec("mallory", mode="live"), UNSIGNED),
    Attack("go-live-again-on-anothers-signature", asked_in_simulation, spec("mallory", mode="live"), UNSIGNED),
    Attack("remove-the-requester-of-a-live-bot", APPROVED, spec("mallory", requestedBy=None), KEPT_REQUESTER),
    Attack(
        "serviceaccount-signs-as-a-person",
        APPROVED,
        spec("gitops", image="registry.example/bot:2", requestedBy="alice"),
        UNSIGNED,
    ),
    Attack(
        "person-signs-as-a-serviceaccount",
        APPROVED,
        lambda w, b: w.patch(
            "mallory", b, {"spec": {"image": "registry.example/bot:2", "requestedBy": w.account_name("gitops")}}
        ),
        UNSIGNED,
    ),
    Attack(
        "serviceaccount-that-is-not-named-requests",
        SIMULATING,
        lambda w, b: w.patch("ci", b, {"spec": {"mode": "live", "requestedBy": w.account_name("ci")}}),
        "policies.requesterServiceAccounts",
    ),
    Attack(
        "serviceaccount-that-is-not-named-takes-a-request-over",
        ASKING,
        lambda w, b: w.patch("ci", b, {"spec": {"requestedBy": w.account_name("ci")}}),
        "policies.requesterServiceAccounts",
    ),
    unsigned("image", image="registry.example/bot:2"),
    unsigned("image-removed", image=None),
    unsigned("exchange-account", exchange={"credentialsSecretRef": {"name": "another-account"}}),
    unsigned("exchange-name", exchange={"name": "kraken"}),
    unsigned("order-confirmation", exchange={"orderConfirmationThreshold": None}),
    unsigned("strategy", strategy={"name": "martingale"}),
    unsigned("strategy-parameters", strategy={"parameters": {"lookback": 1}}),
    unsigned("symbols", strategy={"symbols": ["BTC/USDT", "DOGE/USDT"]}),
    unsigned("looser-limit", risk={"maxDrawdown": 0.16}),
    unsigned("limit-given-up", risk={"maxOrderValue": None}),
    *(unsigned(f"looser-{limit}", risk={limit: looser}) for limit, looser in LOOSER.items()),
    *(
        unsigned(f"no-{limit}", risk={limit: None})
        for limit in ("maxStopDistance", "maxTargetDistance", "minConfidence")
    ),
    unsigned("tighter-and-looser-limits", risk={"maxDrawdown": 0.1, "maxOpenPositions": 100}),
    unsigned("promotion-dropped", promotion=None),
    unsigned("database", database={"secretRef": {"name": "empty-database"}}),
    unsigned("redis-dropped", redis=None),
    unsigned("control-key", api={"secretRef": {"name": "mallorys-key"}}),
    Attack(
        "unsigned-change-hidden-behind-a-stop",
        APPROVED,
        spec("mallory", emergencyStop={"active": True}, risk={"maxDrawdown": 0.9}),
        UNSIGNED,
    ),
)

STRANGERS = (
    Attack("run-an-image-of-ones-own", SIMULATING, spec("mallory", image="registry.example/mine:1"), STRANGE),
    Attack(
        "run-an-image-of-ones-own-live",
        APPROVED,
        spec("mallory", image="registry.example/mine:1", requestedBy="mallory"),
        STRANGE,
    ),
    Attack(
        "run-an-image-whose-name-begins-alike", SIMULATING, spec("mallory", image="registry.example/bots:1"), STRANGE
    ),
    Attack("create-with-an-image-of-ones-own", nothing, creating("mallory", image="mine"), STRANGE),
    Attack(
        "give-the-keys-to-an-image-of-before-the-policy",
        lambda w: w.strange,
        spec("mallory", exchange={"credentialsSecretRef": {"name": "another-account"}}),
        STRANGE,
    ),
    Attack(
        "go-live-with-an-image-of-before-the-policy",
        lambda w: w.strange,
        spec("mallory", mode="live", requestedBy="mallory"),
        STRANGE,
    ),
    Attack(
        "image-of-ones-own-hidden-behind-a-stop",
        SIMULATING,
        spec("mallory", image="registry.example/mine:1", emergencyStop={"active": True}),
        STRANGE,
    ),
)

RESUMES = (
    Attack("resume-without-the-verb", STOPPED, resume("mallory", "stop-2"), NO_VERB_RESUME),
    Attack("approver-resumes", STOPPED, resume("bob", "stop-2"), NO_VERB_RESUME),
    Attack("resume-another-stop", STOPPED, resume("carol", "stop-1"), ANOTHER_STOP),
    Attack(
        "replay-the-resume-of-an-earlier-stop",
        stopped_again,
        patch("carol", {"spec": {"resume": {"stopId": "stop-2", "reason": "again"}, "emergencyStop": None}}),
        ANOTHER_STOP,
    ),
    Attack("resume-in-advance", APPROVED, resume("carol", "stop-2"), "no stop is latched"),
    Attack("resume-a-stop-that-nobody-has-seen", STOPPING, resume("carol", "stop-2"), "no stop is latched"),
    Attack("resume-while-the-namespace-is-stopped", standing, resume("carol", "stop-2"), STANDING),
    Attack(
        "resume-while-the-annotation-is-there-and-nobody-has-seen-it",
        annotated,
        lambda w, b: w.in_the_halted_namespace().patch("carol", b, resuming("stop-2")),
        STANDING,
    ),
    Attack("resume-while-the-stop-is-asked-for", STOPPED, resume("carol", "stop-2", active=True), "still asked for"),
    Attack("stop-and-resume-in-one-write", APPROVED, resume("carol", "stop-2", active=True), "no stop is latched"),
    Attack("resumer-of-another-bot-resumes", STOPPED, resume("frank", "stop-2"), NO_VERB_RESUME),
    Attack("resumer-of-another-namespace-resumes", STOPPED, resume("oscar", "stop-2"), RBAC_SAYS_NO),
    Attack("denied-user-with-every-verb-resumes", STOPPED, resume("robot", "stop-2"), NEVER),
    Attack("member-of-a-denied-group-resumes", STOPPED, resume("gary", "stop-2"), NEVER),
    Attack("serviceaccount-that-edits-resumes", STOPPED, resume("gitops", "stop-2"), NOT_RESUMED_BY_A_PERSON),
    Attack("serviceaccount-with-every-verb-resumes", STOPPED, resume("wildcard", "stop-2"), NOT_RESUMED_BY_A_PERSON),
    Attack(
        "rewrite-why-it-was-resumed",
        resumed,
        spec("mallory", resume={"reason": "somebody else did it"}),
        NO_VERB_RESUME,
    ),
    Attack(
        "resume-hidden-behind-a-stop",
        resumed,
        spec("mallory", resume={"stopId": "stop-3"}, emergencyStop={"active": True}),
        NO_VERB_RESUME,
    ),
    Attack(
        "create-with-a-resume", nothing, creating("dave", resume={"stopId": "stop-2", "reason": "x"}), "with a resume"
    ),
    Attack("re-create-with-the-old-resume", resumed, recreate_resumed, "with a resume"),
    Attack("resume-after-gitops-has-reverted-the-stop", unstopped, resume("mallory", "stop-2"), NO_VERB_RESUME),
    Attack(
        "approve-and-resume-without-the-verb-resume",
        STOPPED,
        approving("bob", resume={"stopId": "stop-2", "reason": "x"}, emergencyStop=None),
        NO_VERB_RESUME,
    ),
)

STOPS = (
    Attack("revert-a-stop-before-it-is-seen", STOPPING, spec("mallory", emergencyStop={"active": False}), NOT_LATCHED),
    Attack("remove-a-stop-before-it-is-seen", STOPPING, spec("mallory", emergencyStop=None), NOT_LATCHED),
    Attack(
        "gitops-replaces-the-object-before-the-stop-is-seen",
        STOPPING,
        lambda w, b: w.put("gitops", b, lambda found: found["spec"].pop("emergencyStop")),
        NOT_LATCHED,
    ),
    Attack(
        "gitops-with-every-verb-reverts-before-the-stop-is-seen",
        STOPPING,
        spec("wildcard", emergencyStop={"active": False}),
        NOT_LATCHED,
    ),
    Attack(
        "server-side-apply-reverts-before-the-stop-is-seen",
        STOPPING,
        lambda w, b: w.apply(
            "gitops", b, {**SPEC, "mode": "live", "requestedBy": "alice", "emergencyStop": {"active": False}}
        ),
        NOT_LATCHED,
    ),
    Attack(
        "keep-the-positions-before-the-close-is-seen",
        STOPPING,
        spec("mallory", emergencyStop={"closePositions": False}),
        NOT_LATCHED,
    ),
    Attack(
        "keep-the-positions-although-only-the-stop-was-seen",
        stop_asked_without_closing,
        spec("mallory", emergencyStop={"closePositions": False}),
        NOT_LATCHED,
    ),
    Attack(
        "pass-off-an-old-latch-as-that-of-a-new-stop",
        resumed_and_stopping_again,
        spec("mallory", emergencyStop={"active": False}),
        NOT_LATCHED,
    ),
    Attack(
        "pass-off-an-old-latch-whose-resume-was-taken-out",
        stopping_again_without_the_resume,
        spec("mallory", emergencyStop={"active": False}),
        NOT_LATCHED,
    ),
)

FORGERIES = (
    Attack("editor-writes-the-status", STOPPED, status("mallory", {"emergencyStop": None}), RBAC_SAYS_NO),
    Attack("take-the-latch-out-of-the-status", STOPPED, status("owner", {"emergencyStop": None}), STATUS),
    Attack("take-the-latch-out-of-the-status-by-put", STOPPED, put_status, STATUS),
    Attack("rename-the-latch", STOPPED, status("owner", {"emergencyStop": {"id": "stop-1"}}), STATUS),
    Attack(
        "invent-a-latch",
        STOPPING,
        status("owner", {"emergencyStop": {"id": "x", "since": "2026-01-01T00:00:00Z"}}),
        STATUS,
    ),
    Attack("publish-another-digest", ASKING, status("owner", {"approval": {"requiredDigest": OLD_DIGEST}}), STATUS),
    Attack(
        "serviceaccount-with-every-verb-writes-the-status", STOPPED, status("wildcard", {"emergencyStop": None}), STATUS
    ),
    Attack(
        "cluster-administrator-writes-the-status", STOPPED, status("cluster-admin", {"emergencyStop": None}), STATUS
    ),
    Attack(
        "account-of-the-operators-name-in-another-namespace",
        STOPPED,
        status("namesake", {"emergencyStop": None}),
        STATUS,
    ),
    # Of a simulation: of a live bot the policy requester refuses it too, and the server tells any one of the two.
    Attack(
        "stolen-token-of-the-operator-changes-the-spec", SIMULATING, as_operator(strategy={"name": "evil"}), NO_SPEC
    ),
    Attack("stolen-token-of-the-operator-takes-a-stop-back", STOPPED, as_operator(emergencyStop=None), NO_SPEC),
)

ACCESS = (
    Attack("user-of-another-namespace-reads", APPROVED, read("oscar"), RBAC_SAYS_NO),
    Attack("user-of-another-namespace-changes", APPROVED, spec("oscar", image="x"), RBAC_SAYS_NO),
    Attack("user-of-another-namespace-stops", APPROVED, patch("oscar", STOP), RBAC_SAYS_NO),
    Attack("user-of-another-namespace-deletes", APPROVED, lambda w, b: w.delete("oscar", b), RBAC_SAYS_NO),
    Attack("viewer-changes", APPROVED, spec("victor", trading="Paused"), RBAC_SAYS_NO),
    Attack(
        "administrator-of-the-namespace-makes-a-role-that-approves",
        ASKING,
        role_for("admin", "approve"),
        "attempting to grant",
    ),
    Attack(
        "administrator-of-the-namespace-makes-a-role-that-resumes",
        STOPPED,
        role_for("admin", "resume"),
        "attempting to grant",
    ),
    Attack(
        "administrator-of-the-namespace-makes-a-role-with-every-verb",
        ASKING,
        role_for("admin", "*"),
        "attempting to grant",
    ),
    Attack(
        "administrator-of-the-namespace-becomes-an-approver",
        ASKING,
        bind_role("admin", "tradingbot-approver"),
        "attempting to grant",
    ),
    Attack(
        "administrator-of-the-namespace-becomes-a-resumer",
        STOPPED,
        bind_role("admin", "tradingbot-resumer"),
        "attempting to grant",
    ),
    Attack(
        "owner-of-the-namespace-removes-the-policy", ASKING, remove_policy("owner", POLICIES, "approval"), RBAC_SAYS_NO
    ),
    Attack(
        "owner-of-the-namespace-removes-the-binding", ASKING, remove_policy("owner", BINDINGS, "approval"), RBAC_SAYS_NO
    ),
)

ATTACKS: tuple[Attack, ...] = APPROVALS + REQUESTS + STRANGERS + RESUMES + STOPS + FORGERIES + ACCESS
