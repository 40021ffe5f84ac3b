"""Write the table of values into each chart's README from values.yaml: `python charts/values_table.py`.

A comment that begins with `# --` explains the value below it.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import yaml

CHARTS = Path(__file__).resolve().parent
BEGIN, END = "<!-- values -->\n", "<!-- /values -->"


def rows(chart: Path) -> list[tuple[str, str, str]]:
    """Return name, default and explanation of each value that is explained."""
    text = (chart / "values.yaml").read_text(encoding="utf-8")
    values = yaml.safe_load(text)
    found: list[tuple[str, str, str]] = []
    path: list[tuple[int, str]] = []
    explanation: list[str] = []
    for line in text.splitlines():
        comment = re.match(r"^\s*# (-- )?(.*)$", line)
        if comment and (comment[1] or explanation):
            explanation = [comment[2]] if comment[1] else [*explanation, comment[2].strip()]
            continue
        key = re.match(r"^(\s*)([A-Za-z0-9]+):", line)
        if not key:
            continue
        path = [(indent, name) for indent, name in path if indent < len(key[1])] + [(len(key[1]), key[2])]
        if explanation:
            names = [name for _, name in path]
            value: Any = values
            for name in names:
                value = value[name]
            found.append((".".join(names), json.dumps(value), " ".join(explanation)))
            explanation = []
    return found


def table(chart: Path) -> str:
    """Return the table in Markdown."""
    lines = ["| value | default | what it is |", "| --- | --- | --- |"]
    lines += [f"| `{name}` | `{default}` | {what.replace('|', chr(92) + '|')} |" for name, default, what in rows(chart)]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Rewrite the tables that are old."""
    for chart in sorted(path.parent for path in CHARTS.glob("*/values.yaml")):
        readme = chart / "README.md"
        text = readme.read_text(encoding="utf-8")
        before, _, rest = text.partition(BEGIN)
        _, found, after = rest.partition(END)
        if not found:
            sys.stderr.write(f"{readme.relative_to(CHARTS)} has no place for the table\n")
            return 1
        new = f"{before}{BEGIN}{table(chart)}{END}{after}"
        if new != text:
            readme.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
