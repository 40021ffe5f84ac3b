"""The finalizer on a real API server, with the operator's own client and the rights that are documented."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.waiting import eventually

from tradingbot_operator.desired.kinds import TRADING_BOT
from tradingbot_operator.kube.client import KubeClient
from tradingbot_operator.kube.errors import ConflictError
from tradingbot_operator.policy.deletion import FINALIZER
from tradingbot_operator.reconcile.deletion import Finalizers
from tradingbot_operator.runtime.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.operator.conftest import StartOperator
    from tests.api.operator.harness import Namespace

pytestmark = pytest.mark.api


async def test_a_held_bot_goes_when_it_is_let_go_of_and_not_before(namespace: Namespace) -> None:
    account: Path = namespace.account()
    kube = await KubeClient.connect(
        kubeconfig=str(account), connections=2, timeout_seconds=10, on_request=lambda *_: None
    )
    finalizers = Finalizers(kube, Store(owner_of=lambda _kind, _obj: None))
    try:
        obj = namespace.bot(deletionPolicy="CancelOrders")
        assert await finalizers.keep(obj, live=False) is obj, "a simulation is not held, and nothing is written"
        held = await finalizers.keep(obj, live=True)
        assert held["metadata"]["finalizers"] == [FINALIZER]
        assert held["spec"] == obj["spec"]
        assert await finalizers.keep(held, live=True) is held, "what is so already is not written again"
        assert (await finalizers.keep(held, live=False))["metadata"].get("finalizers") is None
        await finalizers.keep(obj, live=True)
        namespace.delete("TradingBot", "a")
        going = namespace.get("TradingBot", "a")
        assert going is not None
        assert going["metadata"]["deletionTimestamp"]
        await finalizers.release(going)
        assert namespace.get("TradingBot", "a") is None
        await finalizers.release(going)
    finally:
        await kube.close()
        account.unlink()  # noqa: ASYNC240 - a small file, in a test


@pytest.mark.parametrize("policy", ["Retain", "CancelOrders", "Flatten"])
def test_a_simulation_is_deleted_while_the_operator_is_down(
    namespace: Namespace, start_operator: StartOperator, policy: str
) -> None:
    operator = start_operator()
    namespace.bot(deletionPolicy=policy)
    namespace.wait_for_children()
    operator.kill()
    namespace.delete("TradingBot", "a")
    eventually(lambda: namespace.get("TradingBot", "a") is None, "it is gone")


async def test_the_status_of_a_deleted_bot_is_not_written_on_the_next_one_of_its_name(namespace: Namespace) -> None:
    """The server does not compare uids when a status is written: only a version tells one object from the other."""
    account: Path = namespace.account()
    kube = await KubeClient.connect(
        kubeconfig=str(account), connections=2, timeout_seconds=10, on_request=lambda *_: None
    )
    try:
        first = namespace.bot()
        namespace.delete("TradingBot", "a")
        second = namespace.bot()
        meta = {key: first["metadata"][key] for key in ("name", "namespace", "uid", "resourceVersion")}
        manifest = {
            "apiVersion": first["apiVersion"],
            "kind": "TradingBot",
            "metadata": meta,
            "status": {"mode": "live"},
        }
        with pytest.raises(ConflictError):
            await kube.apply_status(TRADING_BOT, manifest)
        assert namespace.status("a") == {}
        # Why the version has to be there: without it the server takes it.
        del meta["resourceVersion"]
        written = await kube.apply_status(TRADING_BOT, manifest)
        assert written["metadata"]["uid"] == second["metadata"]["uid"] != first["metadata"]["uid"]
    finally:
        await kube.close()
        account.unlink()  # noqa: ASYNC240 - a small file, in a test
