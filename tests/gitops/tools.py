"""What the tests ask of a real GitOps tool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tests.api.crd.server import Manifest


class Tool(Protocol):
    """One real tool, set up in one way."""

    def deploy(self, file: Manifest) -> None:
        """Have the tool make a bot of a file in Git; it is there afterwards, and the tool is content."""

    def again(self, file: Manifest) -> str:
        """Have the tool look at the bot once more, and do what it then does. Return "" where it is content afterwards,
        and what it says where it is not.
        """
