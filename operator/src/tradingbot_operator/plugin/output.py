"""`-o json|yaml`: the same facts for machines. Pure."""

from __future__ import annotations

import json
from typing import Any


def dump(value: Any, form: str) -> str:
    """Write a value as JSON or YAML."""
    if form == "yaml":
        import yaml

        return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True))
    return json.dumps(value, indent=2, ensure_ascii=False)
