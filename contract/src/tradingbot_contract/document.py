"""Writes the table into the documentation: `python -m tradingbot_contract.document docs/states.md [--check]`."""

from __future__ import annotations

import sys
from pathlib import Path

from tradingbot_contract.states import TABLE, Row, State

HEAD = """\
# What a bot may do

Written from `contract/src/tradingbot_contract/states.py` by `make docs`; the bot, the operator and the tests use the
same table.

## States

Of everything that may restrict a bot (its spec, the latch in its status, the latch in its database, its own guards) the
most restrictive counts. A source that cannot be read never loosens.

| state | what it means |
| --- | --- |
"""
MIDDLE = """
## Events

| event | new entries | entry orders | protective stops | exits | positions | state | left by |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""
TAIL = """
*Latched* outlives the process and its cause, in the database and in `status.emergencyStop`. What ends a stop is in
[emergency-stop.md](emergency-stop.md).
"""


def render() -> str:
    """Return the whole document."""
    states = "".join(f"| {state.name} | {state.meaning} |\n" for state in State)
    return HEAD + states + MIDDLE + "".join(map(_line, TABLE)) + TAIL


def _line(row: Row) -> str:
    state = "unchanged" if row.state is None else row.state.name + (", latched" if row.latched else "")
    cells = (row.event, row.entries, row.entry_orders, row.stops, row.exits, row.positions, state, row.left_by)
    return "| " + " | ".join(cells) + " |\n"


def main(arguments: list[str]) -> int:
    """Write the file, or compare it; return the exit code."""
    check = "--check" in arguments
    path = Path(next(word for word in arguments if word != "--check"))
    text = render()
    if not check:
        path.write_text(text, encoding="utf-8")
        return 0
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{path} is not what the state table says: make docs\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
