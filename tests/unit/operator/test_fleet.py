"""What the metrics say of all bots together, in whatever order they come, change and go."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tradingbot_operator.api.conditions import ConditionStatus
from tradingbot_operator.api.v1alpha1.live import LiveState
from tradingbot_operator.runtime.fleet import Fleet, Shown
from tradingbot_operator.runtime.keys import Key
from tradingbot_operator.runtime.metrics import Metrics

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
bots = st.none() | st.builds(
    Shown,
    ready=st.sampled_from([status.value for status in ConditionStatus]),
    live=st.none() | st.sampled_from([state.value for state in LiveState]),
    expires_at=st.none() | st.sampled_from([NOON, NOON + timedelta(hours=1)]),
    contested=st.sampled_from([(), ("Service",), ("Deployment", "Service")]),
)


def samples(metrics: Metrics, name: str) -> dict[str, float]:
    return {
        next(iter(sample.labels.values())): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == name
    }


@given(st.lists(st.tuples(st.sampled_from("abc"), bots), max_size=20))
def test_the_figures_are_those_of_the_bots_that_there_are(changes: list[tuple[str, Shown | None]]) -> None:
    metrics = Metrics()
    fleet = Fleet(metrics)
    there: dict[str, Shown] = {}
    for name, shown in changes:
        fleet.show(Key("trading", name), shown)
        there.pop(name, None)
        if shown is not None:
            there[name] = shown
    ready = Counter(shown.ready for shown in there.values())
    live = Counter(shown.live for shown in there.values())
    assert all(value == ready[status] for status, value in samples(metrics, "tradingbot_operator_bots").items())
    assert all(value == live[state] for state, value in samples(metrics, "tradingbot_operator_live_bots").items())
    assert samples(metrics, "tradingbot_operator_approval_end_timestamp_seconds") == {
        f"trading/{name}": shown.expires_at.timestamp() for name, shown in there.items() if shown.expires_at
    }
    assert contested(metrics) == {(f"trading/{name}", kind) for name, bot in there.items() for kind in bot.contested}


def contested(metrics: Metrics) -> set[tuple[str, str]]:
    return {
        (sample.labels["bot"], sample.labels["kind"])
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "tradingbot_operator_contested_children"
    }


def test_there_is_a_zero_for_every_state_once_there_is_a_bot() -> None:
    metrics = Metrics()
    Fleet(metrics).show(Key("trading", "a"), Shown("True"))
    assert samples(metrics, "tradingbot_operator_live_bots") == dict.fromkeys(LiveState, 0)
