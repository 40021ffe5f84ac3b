"""What must not be possible, tried on a real API server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.api.crd.server import Refused
from tests.api.policies.attacks import ATTACKS, Attack

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


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.id)
def test_attack(world: World, attack: Attack) -> None:
    victim = attack.state(world)
    before = seen(world, victim)
    with pytest.raises(Refused) as refusal:
        attack.attempt(world, victim)
    assert refusal.value.code in {403, 422}
    assert attack.says in str(refusal.value)
    assert seen(world, victim) in (before, None)
