"""docs/api.md and docs/cli.md name what there is, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from typer.main import get_command

from tradingbot.cli.main import app
from tradingbot.web.routes import docs

DOCS = Path(__file__).resolve().parents[3] / "docs"


def test_every_endpoint_is_described_and_none_that_is_not_there() -> None:
    text = (DOCS / "api.md").read_text()
    paths = {each.path for each in docs.endpoints()}
    for path in paths:
        # A row may shorten what it has in common with the one before: `GET /api/v1/bot/status`, `…/positions`.
        assert re.search(rf"[…1a-z}}]/{re.escape(path.rpartition('/')[2])}[`?]|`{re.escape(path)}`", text), path
    served = {*paths, "/api/v1/openapi.json", "/api/v1/events"}
    for found in re.findall(r"/api/v1/[a-z_{}/.-]*[a-z}]", text):
        assert found in served, found


def test_every_command_is_described() -> None:
    text = (DOCS / "cli.md").read_text()
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        assert f"`{name}" in text or f", `{name}" in text, name
        for below in getattr(command, "commands", {}):
            assert re.search(rf"`{name} [a-z]|`{below}`", text), below
            assert f"{below}`" in text, below
