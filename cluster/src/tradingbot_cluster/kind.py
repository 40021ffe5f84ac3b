"""kind."""
from __future__ import annotations
from typing import Any


def docker_works(variables: Any) -> bool:
    """No."""
    return False
