"""What the demo made, written before it is made: `make demo-down` removes exactly this."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from tradingbot_cluster.files import read_json, write_atomically

if TYPE_CHECKING:
    from pathlib import Path

import json


@dataclass
class Record:
    """The cluster (True when the demo started it), namespaces, releases and CRDs that the demo made."""

    path: Path
    cluster: bool = False
    namespaces: list[str] = field(default_factory=list)
    crds: bool = False

    @classmethod
    def load(cls, path: Path) -> Record:
        """Read the record, or begin an empty one."""
        known: dict[str, Any] = read_json(path) or {}
        return cls(path, **known)

    def note(self, **made: Any) -> None:
        """Add what is about to be made and write the record."""
        for name, value in made.items():
            if isinstance(value, str):
                listed: list[str] = getattr(self, name)
                if value not in listed:
                    listed.append(value)
            else:
                setattr(self, name, value)
        content = asdict(self)
        del content["path"]
        write_atomically(self.path, json.dumps(content, indent=2) + "\n")

    def forget(self) -> None:
        """Everything is removed."""
        self.path.unlink(missing_ok=True)
