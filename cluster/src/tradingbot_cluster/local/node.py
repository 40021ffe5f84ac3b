"""placeholder"""
from __future__ import annotations
from typing import Any


class Node:
    """x"""

    def __init__(self, instance: Any) -> None: ...
