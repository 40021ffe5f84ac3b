"""What the demo takes away: a cluster that it made as a whole; out of a cluster of the user's, what it put there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tradingbot_cluster.demo import demo, environment
from tradingbot_cluster.demo.record import Record

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stand in for everything that touches a cluster; note what is asked for."""
    noted: list[str] = []
    monkeypatch.setattr(environment, "record_path", lambda: tmp_path / "demo.json")
    monkeypatch.setattr(environment, "cluster_runs", lambda: False)
    monkeypatch.setattr(environment, "cluster_up", lambda: noted.append("cluster up"))
    monkeypatch.setattr(environment, "cluster_down", lambda: noted.append("cluster down"))
    monkeypatch.setattr(environment, "build_images", dict)
    monkeypatch.setattr(environment, "tools", lambda: None)
    monkeypatch.setattr(environment, "tools_or_none", object)
    monkeypatch.setattr(demo, "_remove", lambda _tools, _record: noted.append("releases removed"))
    return noted


@pytest.mark.parametrize(("ours", "taken"), [(True, ["cluster down"]), (False, ["releases removed", "cluster down"])])
def test_a_cluster_of_the_users_is_left_without_what_the_demo_put_there(
    calls: list[str],
    monkeypatch: pytest.MonkeyPatch,
    ours: bool,
    taken: list[str],
) -> None:
    monkeypatch.setattr(environment, "cluster_is_ours", lambda: ours)
    demo._cluster(Record.load(environment.record_path()))
    demo.down()
    assert calls == ["cluster up", *taken]
