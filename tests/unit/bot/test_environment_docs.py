"""docs/run-alone.md (or notifications.md) names every environment variable that is read, with setting and default."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from tradingbot.config.load import ENVIRONMENT
from tradingbot.config.model import Settings

PAGE = Path(__file__).resolve().parents[3] / "docs" / "run-alone.md"


def default(target: tuple[str, ...]) -> str:
    """Return what counts where nobody says anything, as it would be written."""
    model: type[BaseModel] = Settings
    for part in target[:-1]:
        below = model.model_fields[part].annotation
        while not (isinstance(below, type) and issubclass(below, BaseModel)):
            below = next(one for one in getattr(below, "__args__", ()) if one is not type(None))
        model = below
    value = model.model_fields[target[-1]].get_default(call_default_factory=True)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        return str(value.value)
    return (
        ""
        if value is None or isinstance(value, SecretStr) or not isinstance(value, str | int | Decimal)
        else str(value)
    )


def row(name: str) -> str:
    shown = default(ENVIRONMENT[name])
    return f"| `{name}` | `{'.'.join(ENVIRONMENT[name])}` | {f'`{shown}`' if shown else ''} |"


GIVEN_BY_THE_OPERATOR = ("POD_", "TRADINGBOT_", "KUBERNETES_")


@pytest.mark.parametrize("name", [name for name in ENVIRONMENT if not name.startswith(GIVEN_BY_THE_OPERATOR)])
def test_every_variable_is_on_the_page_with_its_setting_and_its_default(name: str) -> None:
    if ENVIRONMENT[name][0] == "notifications":
        assert f"`{name}`" in PAGE.with_name("notifications.md").read_text(encoding="utf-8")
        return
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    assert any(line.startswith(row(name).rstrip("| ")) for line in lines), row(name)
