"""What an approval is bound to, and when it counts."""

from __future__ import annotations

import copy
import json
import shlex
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from tradingbot_operator.api.v1alpha1 import TradingBotSpec
from tradingbot_operator.api.v1alpha1.trading import Risk, Timeframe
from tradingbot_operator.policy.approval import (
    COMPARED,
    MAX_VALIDITY,
    NOT_RISKED,
    RISKED,
    ApprovalState,
    ApprovalVerdict,
    Change,
    Identity,
    approval_state,
    approve_command,
    canonical,
    compare_limits,
    digest_before_tightening,
    request_command,
    required_digest,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
IDENTITY = Identity(
    namespace="trading", name="btc", uid="1f0c2a9b-0000", image="registry/bot:1", image_digest="sha256:aa", account="k1"
)
BASE: dict[str, Any] = {
    "mode": "live",
    "requestedBy": "alice",
    "image": "registry/bot:1",
    "exchange": {"testMode": False, "credentialsSecretRef": {"name": "account"}, "orderConfirmationThreshold": 1000},
    "strategy": {"name": "breakout", "symbols": ["BTC/USDT", "ETH/USDT"], "parameters": {"lookback": 20, "k": 1.5}},
    "risk": {"maxOrderValue": 5000},
    "promotion": {},
    "database": {"secretRef": {"name": "database"}},
    "redis": {"secretRef": {"name": "redis"}},
    "api": {"secretRef": {"name": "api"}},
}

names = st.from_regex(r"[a-z][-a-z0-9]{0,20}[a-z0-9]", fullmatch=True)
fractions = st.decimals(Decimal("0.031"), Decimal("0.9"), places=4).map(float)
small = st.decimals(Decimal("0.0001"), Decimal("0.03"), places=4).map(float)
money = st.decimals(Decimal("0.01"), Decimal(1_000_000), places=2).map(float)
counts = st.integers(1, 1000)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)

RISKED_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "image": names,
    "exchange.name": st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True),
    "exchange.marketType": st.sampled_from(["Spot", "Futures"]),
    "exchange.testMode": st.booleans(),
    "exchange.rateLimitPerMinute": counts,
    "exchange.apiUrl": st.none() | st.sampled_from(["https://a.example", "http://a.example:8080/x"]),
    "exchange.orderConfirmationSeconds": st.integers(1, 86_400),
    "exchange.credentialsSecretRef.name": names,
    "exchange.credentialsSecretRef.apiKeyKey": names,
    "exchange.credentialsSecretRef.apiSecretKey": names,
    "exchange.orderConfirmationThreshold": st.none() | money,
    "strategy.name": names,
    "strategy.symbols": st.sets(st.sampled_from(["BTC/USDT", "ETH/USDT", "SOL/USDT", "XRP/USDT"]), min_size=1).map(
        sorted
    ),
    "strategy.timeframe": st.sampled_from([frame.value for frame in Timeframe]),
    "strategy.parameters": st.dictionaries(st.text(max_size=8), json_values, min_size=1, max_size=4),
    "risk.maxDrawdown": fractions,
    "risk.dailyLossLimit": small,
    "risk.maxPositionSize": fractions,
    "risk.riskPerTrade": small,
    "risk.maxOpenPositions": counts,
    "risk.minRiskRewardRatio": money.filter(lambda ratio: ratio <= 1000),
    "risk.maxOrderValue": st.none() | money,
    "risk.maxOrdersPerMinute": counts,
    "risk.priceCollar": fractions,
    "risk.maxStopDistance": st.none() | fractions,
    "risk.maxTargetDistance": st.none() | fractions,
    "risk.minConfidence": st.none() | fractions,
    "risk.autonomous": st.booleans(),
    "risk.maxPriceJump": fractions,
    "risk.onBreach": st.sampled_from(["Hold", "Flatten"]),
    "promotion.minDays": counts,
    "promotion.minTrades": counts,
    "promotion.maxDrawdown": fractions,
    "promotion.minProfitFactor": money.filter(lambda ratio: ratio <= 1000),
    "database.secretRef.name": names,
    "database.secretRef.key": names,
    "redis.secretRef.name": names,
    "redis.secretRef.key": names,
    "api.secretRef.name": names,
    "api.secretRef.key": names,
}
OTHER_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "mode": st.sampled_from(["live", "simulation"]),
    "requestedBy": st.none() | names,
    "trading": st.sampled_from(["Active", "Paused", "Reducing"]),
    "emergencyStop": st.fixed_dictionaries({"active": st.booleans(), "closePositions": st.booleans()}),
    "resume": st.fixed_dictionaries({"stopId": names, "reason": names}),
    "approval": st.none()
    | st.fixed_dictionaries(
        {"digest": st.just("sha256:" + 64 * "0"), "approvedBy": names, "expiresAt": st.just("2026-12-01T00:00:00Z")}
    ),
    "imagePullPolicy": st.sampled_from(["Always", "Never"]),
    "profile": st.sampled_from(["Development", "LiveTrading"]),
    "resources": st.just({"limits": {"cpu": "2"}}),
    "environment": st.sampled_from(["Development", "Production"]),
    "logLevel": st.sampled_from(["INFO", "DEBUG"]),
    "simulation.seed": counts,
    "simulation.initialCapital": money,
    "database.poolSize": st.integers(1, 100),
    "database.maxOverflow": st.integers(0, 100),
    "database.keepDecisionsDays": st.integers(1, 36_500),
    "database.keepEquityDays": st.integers(1, 36_500),
    "notifications": st.just({"slack": {"secretRef": {"name": "slack"}}}),
    "update": st.just({"rollback": False}),
    "deletionPolicy": st.sampled_from(["Retain", "Flatten"]),
    "scheduling": st.just({"nodeSelector": {"disk": "ssd"}}),
}


def spec(**changes: Any) -> TradingBotSpec:
    return TradingBotSpec.model_validate(BASE | changes)


def changed(path: str, value: Any) -> TradingBotSpec:
    manifest = copy.deepcopy(BASE)
    *parents, last = path.split(".")
    place = manifest
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = value
    return TradingBotSpec.model_validate(manifest)


def model_in(annotation: Any) -> type[BaseModel] | None:
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for field in model.model_fields.values():
        inner = model_in(field.annotation)
        if inner is None:
            yield f"{prefix}{field.alias}"
        else:
            yield from leaves(inner, f"{prefix}{field.alias}.")


# --- the digest --------------------------------------------------------------------------------------------------


def test_every_field_of_the_spec_is_declared_risked_or_not() -> None:
    """A new field is approved or not by decision, never by accident."""
    assert not RISKED & NOT_RISKED
    assert set(TradingBotSpec.model_fields) == RISKED | NOT_RISKED


def test_every_leaf_of_what_is_risked_is_tried_below() -> None:
    not_approved = {f"database.{name}" for name in ("poolSize", "maxOverflow", "keepDecisionsDays", "keepEquityDays")}
    found = {path for path in leaves(TradingBotSpec) if path.split(".")[0] in RISKED} - not_approved
    assert found == set(RISKED_VALUES)


def test_every_limit_is_compared() -> None:
    assert set(Risk.model_fields) == COMPARED


@pytest.mark.parametrize("path", RISKED_VALUES)
@given(data=st.data())
def test_any_change_of_what_is_risked_is_another_digest(path: str, data: st.DataObject) -> None:
    before, after = data.draw(RISKED_VALUES[path]), data.draw(RISKED_VALUES[path])
    same = canonical(before) == canonical(after)
    digests = {required_digest(changed(path, value), IDENTITY) for value in (before, after)}
    assert (len(digests) == 1) == same


@pytest.mark.parametrize("path", OTHER_VALUES)
@given(data=st.data())
def test_a_change_of_anything_else_is_the_same_digest(path: str, data: st.DataObject) -> None:
    assert required_digest(changed(path, data.draw(OTHER_VALUES[path])), IDENTITY) == required_digest(spec(), IDENTITY)


@pytest.mark.parametrize("part", ["promotion", "redis", "api", "image"])
def test_taking_a_part_away_is_another_digest(part: str) -> None:
    assert required_digest(spec(**{part: None}), IDENTITY) != required_digest(spec(), IDENTITY)


@pytest.mark.parametrize("field", [field.name for field in fields(Identity)])
def test_another_identity_is_another_digest(field: str) -> None:
    other = replace(IDENTITY, **{field: "other"})
    assert required_digest(spec(), other) != required_digest(spec(), IDENTITY)


@pytest.mark.parametrize("field", ["image_digest", "account", "last_stop"])
def test_what_is_not_known_yet_is_another_digest_than_what_is(field: str) -> None:
    values: tuple[Any, ...] = ("", None)
    known, unknown = (required_digest(spec(), replace(IDENTITY, **{field: value})) for value in values)
    assert known != unknown


def shuffled(value: Any, random: Any) -> Any:
    """Return the same JSON with its keys in another order and its numbers in another spelling."""
    if isinstance(value, dict):
        keys = list(value)
        random.shuffle(keys)
        return {key: shuffled(value[key], random) for key in keys}
    if isinstance(value, list):
        return [shuffled(item, random) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 and random.random() < 0.5:
        return float(value)
    return value


@given(parameters=st.dictionaries(st.text(max_size=8), json_values, max_size=5), random=st.randoms())
def test_the_order_of_keys_and_the_spelling_of_numbers_do_not_matter(parameters: dict[str, Any], random: Any) -> None:
    strategy = BASE["strategy"] | {"parameters": parameters}
    plain = BASE | {"strategy": strategy}
    again = shuffled(plain, random)
    digests = {required_digest(TradingBotSpec.model_validate(manifest), IDENTITY) for manifest in (plain, again)}
    assert len(digests) == 1


def test_symbols_are_a_set_and_no_parameters_are_empty_parameters() -> None:
    strategy = BASE["strategy"]
    turned = spec(strategy=strategy | {"symbols": strategy["symbols"][::-1]})
    assert required_digest(turned, IDENTITY) == required_digest(spec(), IDENTITY)
    nothing: tuple[Any, ...] = (None, {})
    none, empty = (spec(strategy=strategy | {"parameters": value}) for value in nothing)
    assert required_digest(none, IDENTITY) == required_digest(empty, IDENTITY)


def test_defaults_are_written_out_so_that_leaving_one_out_is_the_same() -> None:
    explicit = spec(risk=Risk(max_order_value=Decimal(5000)).to_manifest())
    assert required_digest(explicit, IDENTITY) == required_digest(spec(), IDENTITY)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1e0"),
        (1.0, "1e0"),
        (Decimal("1.000"), "1e0"),
        (100, "1e2"),
        (1e2, "1e2"),
        (0.15, "15e-2"),
        (-0.0, "0"),
        (0, "0"),
        (-2.5, "-25e-1"),
        (2**62 + 1, "4611686018427387905e0"),
        (True, "true"),
        ("1", '"1"'),
        (None, "null"),
        ({"b": [1, "x"], "a": {}}, '{"a":{},"b":[1e0,"x"]}'),
    ],
)
def test_there_is_one_way_to_write_a_value(value: Any, text: str) -> None:
    assert canonical(value) == text


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
def test_what_is_not_json_has_no_digest(value: Any) -> None:
    with pytest.raises(TypeError):
        canonical(value)


@given(value=json_values)
def test_nothing_is_lost_in_writing_so_two_values_are_never_written_the_same(value: Any) -> None:
    def exact(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: exact(inner) for key, inner in item.items()}
        if isinstance(item, list):
            return [exact(inner) for inner in item]
        if isinstance(item, int | float) and not isinstance(item, bool):
            return Decimal(repr(item))
        return item

    read = json.loads(canonical(value), parse_float=Decimal, parse_int=Decimal)
    assert read == exact(value)
    assert canonical(read) == canonical(value)


def test_the_digest_of_today_is_the_digest_of_tomorrow() -> None:
    """An upgrade of the operator must not void every approval unnoticed: change VERSION when this has to change."""
    golden = "sha256:ef41e054a531a3fe005169506241e55c007fcfd0c5eb5d6ea8bb10b9ebd23e8a"
    assert required_digest(spec(), IDENTITY) == golden


def test_a_limit_that_forbids_nothing_is_not_part_of_the_digest() -> None:
    """Approvals from before there was `autonomous` stay good, and it cannot be taken away from an approved bot."""
    usual = {"maxOrderValue": 5000, "autonomous": True, "maxPriceJump": 0.2}
    assert required_digest(spec(risk=usual), IDENTITY) == required_digest(spec(), IDENTITY)
    assert required_digest(spec(risk={**usual, "maxPriceJump": 0.3}), IDENTITY) != required_digest(spec(), IDENTITY)
    careful = Risk(autonomous=False)
    digest = required_digest(spec(risk=careful.to_manifest()), IDENTITY)
    assert digest_before_tightening(spec(risk={}), IDENTITY, careful) is None
    assert required_digest(spec(risk={}), IDENTITY) != digest


# --- limits ------------------------------------------------------------------------------------------------------

limits = st.builds(
    Risk,
    max_drawdown=fractions,
    daily_loss_limit=small,
    max_position_size=fractions,
    risk_per_trade=small,
    max_open_positions=counts,
    min_risk_reward_ratio=st.floats(0, 1000).map(lambda ratio: round(ratio, 2)),
    max_order_value=st.none() | money,
    max_orders_per_minute=counts,
    price_collar=fractions,
    max_stop_distance=st.none() | fractions,
    max_target_distance=st.none() | fractions,
    min_confidence=st.none() | fractions,
    autonomous=st.booleans(),
    max_price_jump=st.sampled_from([0.2, 0.5]),
    on_breach=st.sampled_from(["Hold", "Flatten"]),
)
OPPOSITE = {
    Change.SAME: Change.SAME,
    Change.MIXED: Change.MIXED,
    Change.TIGHTENED: Change.LOOSENED,
    Change.LOOSENED: Change.TIGHTENED,
}


@given(old=limits, new=limits)
def test_the_way_back_is_the_opposite(old: Risk, new: Risk) -> None:
    assert compare_limits(new, old) is OPPOSITE[compare_limits(old, new)]


@given(risk=limits)
def test_the_same_limits_are_the_same(risk: Risk) -> None:
    assert compare_limits(risk, risk) is Change.SAME


@given(first=limits, second=limits, third=limits)
def test_tightening_twice_is_tightening(first: Risk, second: Risk, third: Risk) -> None:
    if compare_limits(first, second) is Change.TIGHTENED and compare_limits(second, third) is Change.TIGHTENED:
        assert compare_limits(first, third) is Change.TIGHTENED


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, Change.SAME),
        ({"max_drawdown": 0.1}, Change.TIGHTENED),
        ({"max_drawdown": 0.2}, Change.LOOSENED),
        ({"daily_loss_limit": 0.01}, Change.TIGHTENED),
        ({"max_position_size": 0.3}, Change.LOOSENED),
        ({"risk_per_trade": 0.02}, Change.LOOSENED),
        ({"max_open_positions": 1}, Change.TIGHTENED),
        ({"min_risk_reward_ratio": 4}, Change.TIGHTENED),
        ({"min_risk_reward_ratio": 2}, Change.LOOSENED),
        ({"max_order_value": 100}, Change.TIGHTENED),
        ({"max_orders_per_minute": 61}, Change.LOOSENED),
        ({"price_collar": 0.04}, Change.TIGHTENED),
        ({"max_stop_distance": 0.1}, Change.TIGHTENED),
        ({"max_target_distance": 0.5}, Change.TIGHTENED),
        ({"min_confidence": 0.1}, Change.TIGHTENED),
        ({"autonomous": False}, Change.TIGHTENED),
        ({"autonomous": False, "max_drawdown": 0.2}, Change.MIXED),
        ({"on_breach": "Flatten"}, Change.MIXED),
        ({"max_price_jump": 0.1}, Change.MIXED),
        ({"max_price_jump": 0.3}, Change.MIXED),
        ({"max_drawdown": 0.1, "max_position_size": 0.3}, Change.MIXED),
    ],
)
def test_what_is_tighter_and_what_is_looser(change: dict[str, Any], expected: Change) -> None:
    assert compare_limits(Risk(), Risk.model_validate(change)) is expected


@pytest.mark.parametrize("name", ["max_order_value", "max_stop_distance", "max_target_distance", "min_confidence"])
def test_giving_up_a_bound_is_loosening(name: str) -> None:
    assert compare_limits(Risk(**{name: Decimal(1)}), Risk()) is Change.LOOSENED


def test_less_confidence_is_looser() -> None:
    assert compare_limits(Risk(min_confidence=Decimal("0.6")), Risk(min_confidence=Decimal("0.5"))) is Change.LOOSENED


def test_an_approval_outlives_a_tightening_and_nothing_else() -> None:
    approved = Risk(max_drawdown=Decimal("0.15"))
    digest = required_digest(spec(risk=approved.to_manifest()), IDENTITY)
    tighter, looser = spec(risk={"maxDrawdown": 0.1}), spec(risk={"maxDrawdown": 0.2})
    assert digest_before_tightening(tighter, IDENTITY, approved) == digest
    assert digest_before_tightening(looser, IDENTITY, approved) is None
    assert digest_before_tightening(tighter, replace(IDENTITY, account="k2"), approved) != digest
    # Whoever forges the limits that are remembered gets another digest.
    assert digest_before_tightening(looser, IDENTITY, Risk(max_drawdown=Decimal("0.3"))) != digest


# --- the approval ------------------------------------------------------------------------------------------------

REQUIRED = required_digest(spec(), IDENTITY)
APPROVAL: dict[str, Any] = {"digest": REQUIRED, "approvedBy": "bob", "expiresAt": "2026-12-01T00:00:00Z"}


def judged(at: datetime = NOW, approval: dict[str, Any] | None = None, **changes: Any) -> ApprovalVerdict:
    given_approval = APPROVAL | (approval or {})
    return approval_state(spec(approval=given_approval, **changes), REQUIRED, at, namespace="trading", name="btc")


@pytest.mark.parametrize(
    ("verdict", "state", "says"),
    [
        (judged(), ApprovalState.VALID, "approved by bob until 2026-12-01T00:00:00Z"),
        (judged(mode="simulation"), ApprovalState.NOT_ASKED, "needs no approval"),
        (judged(requestedBy=None), ApprovalState.NO_REQUESTER, '"requestedBy":"YOU"'),
        (judged(requestedBy="bob"), ApprovalState.SELF_APPROVED, "Another person approves it"),
        (
            judged(approval={"approvedBy": "system:serviceaccount:argocd:controller"}),
            ApprovalState.NOT_A_PERSON,
            "not a person",
        ),
        (judged(approval={"digest": "sha256:" + 64 * "0"}), ApprovalState.WRONG_DIGEST, REQUIRED),
        (judged(datetime(2026, 12, 1, tzinfo=UTC)), ApprovalState.EXPIRED, "ended at 2026-12-01T00:00:00Z"),
        (judged(approval={"expiresAt": "2027-01-01T00:00:00Z"}), ApprovalState.TOO_LONG, "at most 30 days"),
    ],
)
def test_what_counts_as_an_approval(verdict: ApprovalVerdict, state: ApprovalState, says: str) -> None:
    assert verdict.state is state
    assert verdict.allows_live == (state is ApprovalState.VALID)
    assert says in verdict.message


def test_without_an_approval_the_sentence_has_the_patch_that_gives_one() -> None:
    verdict = approval_state(spec(), REQUIRED, NOW, namespace="trading", name="btc")
    assert verdict.state is ApprovalState.MISSING
    assert approve_command("trading", "btc", REQUIRED) in verdict.message


@given(seconds=st.integers(-(10**7), 10**7))
def test_it_counts_until_its_end_and_never_for_longer_than_the_bound(seconds: int) -> None:
    ends = datetime(2026, 12, 1, tzinfo=UTC)
    at = ends + timedelta(seconds=seconds)
    assert judged(at).allows_live == (at < ends <= at + MAX_VALIDITY)


@given(seconds=st.integers(0, 10**6))
def test_the_sentence_does_not_change_with_the_clock(seconds: int) -> None:
    """It is written into the status, and a pass that changes nothing must write nothing."""
    later = NOW + timedelta(seconds=seconds)
    for approval in ({}, {"digest": "sha256:" + 64 * "0"}, {"expiresAt": "2026-11-01T00:00:00Z"}):
        first, second = judged(NOW, approval), judged(later, approval)
        if first.state is second.state:
            assert first == second


def test_a_digest_of_before_a_tightening_counts() -> None:
    other = "sha256:" + 64 * "1"
    bot = spec(approval=APPROVAL | {"digest": other})
    for tightened, state in (((other,), ApprovalState.VALID), ((None,), ApprovalState.WRONG_DIGEST)):
        verdict = approval_state(bot, REQUIRED, NOW, namespace="trading", name="btc", tightened=tightened)
        assert verdict.state is state


def test_the_commands_are_patches_that_the_model_accepts() -> None:
    command = approve_command("trading", "btc", REQUIRED, "o'neil", "2026-12-01T00:00:00Z")
    *start, body = shlex.split(command)
    assert start == ["kubectl", "-n", "trading", "patch", "tbot", "btc", "--type", "merge", "-p"]
    approved = spec(**json.loads(body)["spec"])
    assert approved.approval is not None
    assert approved.approval.approved_by == "o'neil"
    asked = json.loads(shlex.split(request_command("trading", "btc", "alice"))[-1])["spec"]
    assert spec(**asked).requested_by == "alice"
