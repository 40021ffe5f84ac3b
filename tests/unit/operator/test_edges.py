"""Settings, errors of the API server, and the poller's judgement."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tradingbot_operator.desired.naming import job_name, labels
from tradingbot_operator.desired.ownership import bot_of
from tradingbot_operator.kube.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    KubeError,
    NotFoundError,
    TerminatingError,
    ThrottledError,
    UnavailableError,
    from_response,
)
from tradingbot_operator.runtime.bots import _matters
from tradingbot_operator.settings import SettingsError, load


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (400, InvalidError),
        (401, ForbiddenError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (409, ConflictError),
        (422, InvalidError),
        (429, ThrottledError),
        (500, UnavailableError),
        (504, UnavailableError),
    ],
)
def test_status_codes_become_errors_of_our_own(code: int, kind: type[KubeError]) -> None:
    body = json.dumps({"message": "sorry", "reason": "Because"}).encode()
    error = from_response(code, body, None)
    assert type(error) is kind
    assert (str(error), error.code, error.reason) == ("sorry", code, "Because")


def test_the_servers_wish_for_a_pause_is_kept() -> None:
    for code in (429, 503):
        error = from_response(code, b"not json", "7")
        assert isinstance(error, ThrottledError)
        assert error.retry_after == 7.0


def test_a_namespace_that_ends_is_told_apart() -> None:
    body = json.dumps({"details": {"causes": [{"reason": "NamespaceTerminating"}]}}).encode()
    assert isinstance(from_response(403, body, None), TerminatingError)


@pytest.fixture
def clean(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("TBO_BOT_IMAGE", "TBO_WORKERS", "TBO_WATCH_NAMESPACES"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_settings_come_from_the_environment(clean: pytest.MonkeyPatch) -> None:
    clean.setenv("TBO_BOT_IMAGE", "bot:1")
    clean.setenv("TBO_WATCH_NAMESPACES", "a, b,")
    clean.setenv("TBO_DATABASE_PORTS", "5432,6432")
    settings = load()
    assert settings.watch_namespaces == ("a", "b")
    assert settings.build_config().database_ports == (5432, 6432)
    clean.setenv("TBO_WATCH_NAMESPACES", "")
    assert load().watch_namespaces == ()


def test_wrong_settings_are_named(clean: pytest.MonkeyPatch) -> None:
    clean.setenv("TBO_WORKERS", "none")
    with pytest.raises(SettingsError) as wrong:
        load()
    assert "TBO_BOT_IMAGE: is required" in str(wrong.value)
    assert "TBO_WORKERS" in str(wrong.value)


@pytest.mark.parametrize(
    ("before", "after", "matters"),
    [
        ((None, 0), ({"state": "ACTIVE"}, 0), True),
        ((None, 0), (None, 1), False),
        ((None, 3), (None, 4), True),
        ((None, 4), (None, 5), False),
        (({"state": "ACTIVE"}, 0), ({"state": "ACTIVE"}, 1), False),
        (({"state": "ACTIVE"}, 3), ({"state": "ACTIVE"}, 4), True),
        (({"state": "ACTIVE"}, 5), ({"state": "ACTIVE"}, 0), True),
        (({"state": "ACTIVE", "open_orders": 1}, 0), ({"state": "ACTIVE", "open_orders": 2}, 0), False),
        (({"state": "ACTIVE"}, 0), ({"state": "PAUSED"}, 0), True),
    ],
)
def test_a_poll_matters_when_a_person_would_see_it(before: object, after: object, matters: bool) -> None:
    assert _matters(before, after) is matters  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["a", "b" * 52])
def test_a_pod_of_a_job_belongs_to_its_bot_and_its_labels_alone_to_nobody(name: str) -> None:
    job = job_name(name, "preflight", "0123456789")
    assert len(job) <= 63
    pod: dict[str, Any] = {"metadata": {"labels": labels(name, "preflight")}}
    owner = {"kind": "Job", "apiVersion": "batch/v1", "name": job, "controller": True}
    assert bot_of("Pod", {"metadata": pod["metadata"] | {"ownerReferences": [owner]}}) == name
    for other in ({"name": "backup-123"}, {"kind": "StatefulSet"}):
        foreign = pod["metadata"] | {"ownerReferences": [owner | other]}
        assert bot_of("Pod", {"metadata": foreign}) is None
