"""What is nested without end: the API server keeps ten thousand levels, and no object may end the operator."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tradingbot_operator.api.depth import FREE_LEVELS, LEVELS, dump, is_deep, read
from tradingbot_operator.api.model import InvalidSpec, parse
from tradingbot_operator.api.v1alpha1 import TradingBot
from tradingbot_operator.api.v1alpha1.tradingbot import requested_stop
from tradingbot_operator.runtime.store import Store

MANY = 9_000


def nested(levels: int, inside: str = "1", *, lists: bool = False) -> str:
    opened, closed = ("[", "]") if lists else ('{"a":', "}")
    return opened * levels + inside + closed * levels


def bot(parameters: str) -> str:
    return (
        '{"apiVersion": "tradingbots.dev/v1alpha1", "kind": "TradingBot", "metadata": {"name": "a", "namespace": "n", '
        '"uid": "u", "resourceVersion": "7"}, "spec": {"emergencyStop": {"active": true}, "strategy": {"name": '
        f'"breakout", "symbols": ["BTC/USD"], "parameters": {{"free": {parameters}}}}}, "database": {{"secretRef": '
        '{"name": "db"}}}}'
    )


def levels_of(value: Any) -> int:
    depth = 0
    while isinstance(value, dict | list) and value:
        value, depth = (next(iter(value.values())) if isinstance(value, dict) else value[0]), depth + 1
    return depth


@pytest.mark.parametrize("lists", [True, False], ids=["lists", "objects"])
def test_it_is_read_and_the_rest_of_the_object_is_there(*, lists: bool) -> None:
    text = f'{{"before": "\\"]}}[{{", "deep": {nested(MANY, lists=lists)}, "after": [1, {{"b": 2}}]}}'
    found = read(text)
    assert (found["before"], found["after"]) == ('"]}[{', [1, {"b": 2}])
    assert levels_of(found["deep"]) == LEVELS - 1
    assert read(text.encode()) == found


def test_what_is_not_nested_deeply_is_read_as_it_is() -> None:
    for text in ("null", '{"a": [1, 2.5, "x\\\\", {}]}', nested(LEVELS * 2)):
        assert read(text) == json.loads(text)


@pytest.mark.parametrize("text", ["{", nested(MANY)[:-1], nested(MANY) + "}", '"\\ud800"', ""])
def test_what_is_no_json_is_none(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever kind of it
        read(text)


@pytest.mark.parametrize("levels", [250, 300, 1000, MANY])
def test_a_bot_with_it_is_stored_is_not_built_from_and_is_stopped(levels: int) -> None:
    store = Store(owner_of=lambda _kind, _obj: None)
    obj = read(bot(nested(levels)))
    store.put("TradingBot", obj)
    (oid,) = store.ids("TradingBot")
    found = store.get(oid)
    assert found is not None
    assert requested_stop(found) is not None
    with pytest.raises(InvalidSpec, match=r"spec\.strategy\.parameters: is nested too deeply: at most 32 levels"):
        parse(TradingBot, found)


def test_as_many_levels_as_are_read_may_be_written() -> None:
    assert parse(TradingBot, read(bot(nested(FREE_LEVELS - 1)))).spec.strategy.parameters
    assert not is_deep(json.loads(nested(FREE_LEVELS)))
    assert is_deep(json.loads(nested(FREE_LEVELS + 1)))


def test_what_is_written_is_cut_only_where_it_has_to_be() -> None:
    assert json.loads(dump(json.loads(nested(250)))) == json.loads(nested(250))
    assert levels_of(json.loads(dump(json.loads(nested(300))))) == LEVELS
