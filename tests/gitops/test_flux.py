"""What only Flux does: all of a Kustomization or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.gitops.test_stops import NOT_YET
from tests.support.gitops_facts import DECLARES

if TYPE_CHECKING:
    from tests.gitops.flux import Flux
    from tests.gitops.world import World

pytestmark = pytest.mark.gitops


def test_while_a_policy_refuses_a_bot_nothing_of_its_kustomization_is_applied(world: World, flux: Flux) -> None:
    file = world.file(world.guarded, **DECLARES)
    beside = world.beside(file)
    flux.deploy(file, beside)
    world.stop(file, "kubectl")
    world.said_by(beside, "hand")
    assert NOT_YET in flux.again(file)
    assert world.said_by(beside) == "hand"
    with world.operator(world.guarded):
        world.until_latched(file)
        assert flux.again(file) == ""
        assert world.said_by(beside) == "git"
