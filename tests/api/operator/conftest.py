"""A namespace for each test, and operators in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.api.crd.server import Server, server_with_crds
from tests.api.operator.harness import Namespace, OperatorProcess
from tests.api.operator.live_bots import BotAnswers, LiveBot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    StartOperator = Callable[..., OperatorProcess]


@pytest.fixture(scope="session")
def api_server(kubeconfig: Path) -> Iterator[Server]:
    """Connect to the server, with the CRDs of this checkout."""
    with server_with_crds(kubeconfig) as server:
        yield server


@pytest.fixture
def namespace(api_server: Server, kubeconfig: Path) -> Iterator[Namespace]:
    """Make a namespace of the test's own; it is removed in the background."""
    made = Namespace(api_server, kubeconfig)
    yield made
    made.close()


@pytest.fixture
def start_operator(namespace: Namespace, tmp_path: Path) -> Iterator[StartOperator]:
    """Start operators with the documented rights; all of them are stopped in the end."""
    started: list[OperatorProcess] = []
    account = namespace.account()

    def start(**settings: str) -> OperatorProcess:
        operator = OperatorProcess(namespace, account, tmp_path / f"operator-{len(started)}.log", **settings)
        started.append(operator)
        return operator

    yield start
    for operator in started:
        operator.kill()
    account.unlink()


@pytest.fixture
def operator(start_operator: StartOperator) -> OperatorProcess:
    """Start one operator."""
    return start_operator()


@pytest.fixture
def answers() -> Iterator[BotAnswers]:
    """Give what a bot says, on an address of its own."""
    made = BotAnswers()
    yield made
    made.close()


@pytest.fixture
def polling(start_operator: StartOperator) -> OperatorProcess:
    """Start an operator that asks the bots every second."""
    return start_operator(TBO_BOT_POLL_SECONDS="1")


@pytest.fixture
def bot(namespace: Namespace, answers: BotAnswers, polling: OperatorProcess) -> LiveBot:
    """Give a bot on its way to live trading."""
    assert polling.process.poll() is None
    return LiveBot(namespace, answers)
