"""What must not be possible, tried on a real API server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.api.crd.server import Refused
from tests.api.policies.attacks import ATTACKS, FORGED_REQUESTER, KEPT_REQUESTER, UNSIGNED, Attack

if TYPE_CHECKING:
    from tests.api.policies.world import World

pytestmark = pytest.mark.api


def seen(world: World, bot: str) -> Any:
    """Return what must not have changed; None for a bot that is not there."""
    try:
        found = world.get(bot) if bot else {}
    except Refused:
        return None
    return found.get("spec"), found.get("status")


def try_it(world: World, attack: Attack, *says: str) -> None:
    victim = attack.state(world)
    before = seen(world, victim)
    with pytest.raises(Refused) as refusal:
        attack.attempt(world, victim)
    assert refusal.value.code in {403, 422}
    assert any(sentence in str(refusal.value) for sentence in says), str(refusal.value)
    assert seen(world, victim) in (before, None)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.id)
def test_attack(world: World, attack: Attack) -> None:
    if attack.also_refused:
        try_it(world, attack, attack.says, UNSIGNED, FORGED_REQUESTER, KEPT_REQUESTER)
        try_it(world.with_the_policy_approval_only(), attack, attack.says)
    else:
        try_it(world, attack, attack.says)
