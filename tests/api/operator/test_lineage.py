"""A Deployment that somebody made with a bot's labels: its pods are real, and nobody takes them for the bot's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.api.operator.live_bots import BotAnswers, LiveBot
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.api


@pytest.fixture
def mallory() -> Iterator[BotAnswers]:
    made = BotAnswers()
    made.says |= {"positions": 7}
    yield made
    made.close()


def test_the_pod_of_a_deployment_that_is_named_and_labelled_like_the_bots_is_never_asked(
    bot: LiveBot, mallory: BotAnswers
) -> None:
    bot.simulate()
    namespace, real = bot.namespace, bot.namespace.pod()
    template = namespace.children()["Deployment"]["spec"]["template"]
    labels = template["metadata"]["labels"] | {"made-by": "mallory"}
    namespace.create(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "tradingbot-a-x", "labels": labels},
            "spec": {
                "selector": {"matchLabels": {"made-by": "mallory"}},
                "template": {"metadata": {"labels": labels}, "spec": template["spec"]},
            },
        }
    )
    forged = eventually(lambda: next(iter(namespace.list("Pod", "made-by=mallory")), None), "its pod")
    namespace.kubelet(forged, ready=True, ip=mallory.ip)
    # From here on it is the only one that is ready: the best moment to be taken for the bot.
    namespace.kubelet(real, ready=False, ip=bot.answers.ip)

    def ready(wanted: str) -> bool:
        found: list[dict[str, Any]] = namespace.status()["conditions"]
        return any(condition["type"] == "Ready" and condition["status"] == wanted for condition in found)

    eventually(lambda: ready("False"), "the bot is not ready")
    bot.answers.says |= {"positions": 3}
    namespace.kubelet(real, ready=True, ip=bot.answers.ip)
    eventually(lambda: namespace.status().get("positions") == 3, "the bot's own word")
    assert mallory.asked == 0
