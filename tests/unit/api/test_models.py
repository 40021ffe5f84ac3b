"""Reading objects: numbers, round trips, and refusals that never show a value."""

import copy
import string
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tradingbot_operator.api.conditions import Reason
from tradingbot_operator.api.crdgen.kinds import KINDS, open_api_schema
from tradingbot_operator.api.model import InvalidSpec, parse
from tradingbot_operator.api.v1alpha1 import BackupSchedule, RecoveryJob, TradingBot
from tradingbot_operator.api.v1alpha1.tradingbot import requested_stop

MINIMAL: dict[str, Any] = {
    "metadata": {"name": "bot", "managedFields": [{"manager": "kubectl"}]},
    "spec": {
        "strategy": {"name": "breakout", "symbols": ["BTC/USDT"]},
        "database": {"secretRef": {"name": "bot-database"}},
    },
}


def bot(**spec: Any) -> dict[str, Any]:
    obj = copy.deepcopy(MINIMAL)
    obj["spec"] |= spec
    return obj


def test_defaults_are_those_that_the_users_asked_for() -> None:
    spec = parse(TradingBot, MINIMAL).spec
    assert spec.mode == "simulation"
    assert spec.exchange.test_mode is True
    assert (spec.exchange.rate_limit_per_minute, spec.database.pool_size, spec.database.max_overflow) == (1200, 5, 10)
    risk = spec.risk
    assert (risk.max_drawdown, risk.daily_loss_limit) == (Decimal("0.15"), Decimal("0.03"))
    assert (risk.max_position_size, risk.risk_per_trade) == (Decimal("0.25"), Decimal("0.01"))
    assert (risk.max_open_positions, risk.min_risk_reward_ratio) == (5, Decimal(3))
    simulation = spec.simulation
    assert (simulation.initial_capital, simulation.commission) == (Decimal(10_000), Decimal("0.001"))
    assert (simulation.slippage, simulation.tick_interval_seconds) == (Decimal("0.0001"), 5)
    assert simulation.strategy_interval_seconds == 60


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (0.15, "0.15"),
        (0.1, "0.1"),
        (1, "1"),
        (1.0, "1.0"),
        (1e-07, "1E-7"),
        (0.30000000000000004, "0.30000000000000004"),
    ],
)
def test_numbers_are_read_by_their_shortest_decimal_form(written: float, read: str) -> None:
    limits = {"maxDrawdown": written, "dailyLossLimit": 1e-07}
    assert parse(TradingBot, bot(risk=limits)).spec.risk.max_drawdown == Decimal(read)


@pytest.mark.parametrize("written", ["0.15", True, float("nan"), float("inf"), -0.1, 0, 1.0000001, None, [0.1]])
def test_what_is_not_a_fraction_is_refused(written: Any) -> None:
    with pytest.raises(InvalidSpec, match=r"spec\.risk\.maxDrawdown"):
        parse(TradingBot, bot(risk={"maxDrawdown": written}))


@given(st.decimals(min_value=0, max_value=1, places=12).filter(lambda number: number > 0))
def test_a_fraction_survives_json(fraction: Decimal) -> None:
    read = parse(TradingBot, bot(risk={"maxDrawdown": 1, "priceCollar": float(fraction)})).spec.risk
    again = parse(TradingBot, bot(risk=read.to_manifest())).spec.risk
    assert again.price_collar == read.price_collar == Decimal(str(float(fraction)))


# --- round trip of anything that the schema allows ---------------------------------------------------------------

ASCII = st.characters(min_codepoint=32, max_codepoint=126)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1000, 1000) | st.text(ASCII, max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(string.ascii_letters, max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
CRON = st.sampled_from(["0 */6 * * *", "@daily", "5,10-20/2 0 1 JAN MON"])


def values(schema: dict[str, Any], path: str) -> st.SearchStrategy[Any]:
    """Return what the schema allows; strings by their pattern."""
    if path.lower().endswith("schedule"):
        return CRON
    if path.endswith("timeZone"):
        return st.sampled_from(["Etc/UTC", "Europe/Berlin"])
    if schema.get("x-kubernetes-int-or-string"):
        return st.integers(0, 8) | st.sampled_from(["500m", "512Mi"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if schema.get("format") == "date-time":
        return st.datetimes().map(lambda moment: moment.isoformat() + "+01:00").filter(lambda text: text > "0002")
    kinds: dict[str, Any] = {
        "boolean": st.booleans,
        "integer": lambda: st.integers(schema["minimum"], schema.get("maximum", 10_000)),
        "number": lambda: st.floats(
            schema["minimum"], schema["maximum"], exclude_min=schema.get("exclusiveMinimum", False)
        ),
        "string": lambda: texts(schema),
        "array": lambda: lists(schema, path),
        "object": lambda: objects(schema, path),
    }
    result: st.SearchStrategy[Any] = kinds[schema["type"]]()
    return result


def texts(schema: dict[str, Any]) -> st.SearchStrategy[str]:
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True, alphabet=ASCII).filter(
            lambda text: len(text) <= schema["maxLength"]
        )
    return st.text(ASCII, min_size=schema.get("minLength", 0), max_size=min(schema["maxLength"], 20))


def lists(schema: dict[str, Any], path: str) -> st.SearchStrategy[list[Any]]:
    keys = schema.get("x-kubernetes-list-map-keys")
    return st.lists(
        values(schema["items"], f"{path}[]"),
        min_size=schema.get("minItems", 0),
        max_size=2,
        unique_by=(lambda item: item[keys[0]] if keys else repr(item)),
    )


def objects(schema: dict[str, Any], path: str) -> st.SearchStrategy[dict[str, Any]]:
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return st.dictionaries(st.text(string.ascii_letters, min_size=1, max_size=4), JSON, max_size=2)
    if "additionalProperties" in schema:
        inner = values(schema["additionalProperties"], f"{path}.*")
        return st.dictionaries(st.text(string.ascii_letters, min_size=1, max_size=4), inner, max_size=2)
    return some_fields(schema, path)


@st.composite
def some_fields(draw: st.DrawFn, schema: dict[str, Any], path: str) -> dict[str, Any]:
    """Draw the required fields and a few of the others: all at once is slow and finds no more."""
    required = schema.get("required", [])
    optional = [name for name in schema["properties"] if name not in required]
    chosen = draw(st.lists(st.sampled_from(optional), max_size=3, unique=True)) if optional else []
    return {name: draw(values(schema["properties"][name], f"{path}.{name}")) for name in (*required, *chosen)}


SCHEMAS = {kind.names.kind: open_api_schema(kind) for kind in KINDS}
MODELS: dict[str, Any] = {"TradingBot": TradingBot, "BackupSchedule": BackupSchedule, "RecoveryJob": RecoveryJob}


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("part", ["spec", "status"])
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
@given(data=st.data())
def test_what_is_read_is_written_the_same_and_read_again(name: str, part: str, data: st.DataObject) -> None:
    model = MODELS[name].model_fields[part].annotation
    drawn = data.draw(values(SCHEMAS[name]["properties"][part], part))
    try:
        read = parse(model, drawn)
    except InvalidSpec as refusal:
        # Rules between fields are not in the strategy; nothing else may be refused.
        messages = {problem.message for problem in refusal.problems}
        assert messages <= CROSS_FIELD, messages
        assume(False)
        raise
    written = read.to_manifest()
    assert parse(model, written) == read
    assert parse(model, written).to_manifest() == written


def _cross_field() -> set[str]:
    found: set[str] = set()

    def visit(schema: dict[str, Any]) -> None:
        if "properties" in schema:
            found.update(rule["message"] for rule in schema.get("x-kubernetes-validations", []))
        for part in (*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")):
            if isinstance(part, dict):
                visit(part)

    for schema in SCHEMAS.values():
        visit(schema)
    return found


CROSS_FIELD = _cross_field()


# --- refusals ----------------------------------------------------------------------------------------------------

SECRET = "hunter2-do-not-show"


@pytest.mark.parametrize(
    "spec",
    [
        {"mode": SECRET},
        {"risk": {"maxDrawdown": SECRET}},
        {"risk": SECRET},
        {"strategy": {"name": SECRET.upper() + " ", "symbols": [SECRET]}},
        {"strategy": {"name": "x", "symbols": SECRET}},
        {"database": {"secretRef": {"name": SECRET + "/"}}},
        {"approval": {"digest": SECRET, "approvedBy": SECRET * 20, "expiresAt": SECRET}},
        {"resources": {"limits": {"cpu": SECRET}}},
        {"exchange": {"credentialsSecretRef": {"name": "a", "apiKeyKey": SECRET + " "}, "rateLimitPerMinute": SECRET}},
        {"emergencyStop": {"active": SECRET}},
        {"image": f"https://user:{SECRET} @registry"},
    ],
)
def test_a_refusal_names_the_field_and_never_the_value(spec: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        parse(TradingBot, bot(**spec))
    shown = str(refusal.value) + repr(refusal.value) + repr(refusal.value.__cause__) + repr(refusal.value.__context__)
    assert SECRET.lower() not in shown.lower()
    assert str(refusal.value).startswith(f"spec.{next(iter(spec))}")


def test_a_refusal_has_paths_and_sentences_for_all_that_is_wrong() -> None:
    with pytest.raises(InvalidSpec) as refusal:
        parse(
            TradingBot, {"metadata": {"name": "bot"}, "spec": {"strategy": {"name": "x", "symbols": ["A"]}, "mod": 1}}
        )
    assert [str(problem) for problem in refusal.value.problems] == [
        "spec.database: is required",
        "spec.mod: is not a field of this object: check its spelling and its indentation, or remove it",
        (
            "spec.strategy.symbols[0]: write a symbol as BASE/QUOTE in capitals, for example BTC/USDT, or "
            "BASE/QUOTE:SETTLE for a perpetual future"
        ),
    ]


def test_a_name_with_a_newline_at_its_end_is_refused() -> None:
    with pytest.raises(InvalidSpec):
        parse(TradingBot, bot(database={"secretRef": {"name": "bot-database\n"}}))


def test_a_status_of_a_newer_operator_is_read() -> None:
    obj = MINIMAL | {"status": {"state": "ACTIVE", "somethingNew": {"a": 1}}}
    assert parse(TradingBot, obj).status.state == "ACTIVE"


def test_a_time_that_has_no_moment_in_utc_is_refused() -> None:
    approval = {"digest": "sha256:" + "0" * 64, "approvedBy": "bob", "expiresAt": "0001-01-01T00:00:00+01:00"}
    with pytest.raises(InvalidSpec, match=r"spec\.approval\.expiresAt: write a time"):
        parse(TradingBot, bot(approval=approval))


def test_models_are_immutable() -> None:
    read = parse(TradingBot, MINIMAL)
    with pytest.raises(ValueError, match="frozen"):
        read.spec.mode = "live"  # type: ignore[assignment,misc]


# --- the stop that is read from anything -------------------------------------------------------------------------


def test_a_stop_is_read_although_the_rest_is_refused() -> None:
    obj = {
        "spec": {"mode": "nonsense", "emergencyStop": {"active": True, "closePositions": "yes", "reason": 7, "x": 1}}
    }
    with pytest.raises(InvalidSpec):
        parse(TradingBot, obj)
    stop = requested_stop(obj)
    assert stop is not None
    assert (stop.active, stop.close_positions, stop.reason) == (True, False, None)


@pytest.mark.parametrize("value", [None, {}, {"active": False}, {"active": "true"}, {"active": 1}, [], "stop"])
def test_only_true_stops(value: Any) -> None:
    assert requested_stop({"spec": {"emergencyStop": value}}) is None


@given(JSON)
def test_reading_a_stop_never_fails(anything: Any) -> None:
    requested_stop({"spec": anything})
    requested_stop({"spec": {"emergencyStop": anything}})


# --- reasons -----------------------------------------------------------------------------------------------------


def test_reasons_are_camel_case_and_explained() -> None:
    assert len({reason.value for reason in Reason}) == len(Reason)
    for reason in Reason:
        assert reason.value.isalpha()
        assert reason.value[0].isupper()
        assert reason.explanation.endswith(".")
        assert str(reason) == reason.value
        assert reason in Reason
        assert reason.name == "".join(f"_{c}" if c.isupper() else c for c in reason.value).lstrip("_").upper()
