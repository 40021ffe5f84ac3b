"""The report: one HTML file with everything in it, that asks nobody for anything.

Its policy permits the very scripts and styles that it holds, by their sha256, and no connection at all.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from pathlib import Path

HERE = Path(__file__).resolve().parent / "static"
VENDOR = Path(__file__).resolve().parent.parent / "web" / "static" / "vendor"


def page(document: bytes) -> str:
    """Return the page of a result (`backtest.json`)."""
    content = json.loads(document)
    content.pop("orders", None)  # in the JSON file; the page lists round trips
    # Inside a script element only `<` can end the element.
    data = json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    plot = (VENDOR / "uPlot.iife.min.js").read_text(encoding="utf-8")
    script = (HERE / "report.js").read_text(encoding="utf-8")
    plot_style = (VENDOR / "uPlot.min.css").read_text(encoding="utf-8")
    style = (HERE / "report.css").read_text(encoding="utf-8")
    policy = (
        f"default-src 'none'; script-src {_digest(plot)} {_digest(script)}; "
        f"style-src {_digest(plot_style)} {_digest(style)}; img-src data:; base-uri 'none'; form-action 'none'"
    )
    inputs = content["inputs"]
    title = f"{inputs['strategy']} on {', '.join(inputs['symbols'])}, {inputs['begin'][:10]} to {inputs['end'][:10]}"
    values = {
        "POLICY": policy,
        "TITLE": html.escape(title),
        "PLOT_STYLE": plot_style,
        "STYLE": style,
        "PLOT": plot,
        "LICENCE": html.escape((VENDOR / "uPlot.LICENSE").read_text(encoding="utf-8").strip()),
        "SCRIPT": script,
        "DATA": data,
    }
    template = (HERE / "report.html").read_text(encoding="utf-8")
    head, *parts = template.split("{{")
    filled = [head]
    for part in parts:
        name, rest = part.split("}}", 1)
        filled += [values[name], rest]
    return "".join(filled)


def _digest(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"
