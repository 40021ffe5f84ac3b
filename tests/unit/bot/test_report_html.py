"""The report is one file: nothing of it comes from outside, and nothing in its data can become markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.unit.bot.test_backtest import trade

import tradingbot
from tradingbot.backtest import result as results
from tradingbot.backtest.setup import Options
from tradingbot.report.html import page

ROOT = Path(tradingbot.__file__).resolve().parent


class Reader(HTMLParser):
    """Collects elements with attributes, and the text of scripts and styles."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, dict[str, str | None], str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements and self.elements[-1][0] in {"script", "style"} and data.strip():
            self.texts.append((*self.elements[-1], data))


@pytest.fixture(scope="module")
def document() -> bytes:
    return results.encode(results.build(trade(Options(end="2022-01-03"))))


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    return reader


def test_no_element_points_outside(document: bytes) -> None:
    reader = read(page(document))
    for tag, attributes in reader.elements:
        assert not {"src", "href", "srcset", "action", "style"} & set(attributes), tag
        assert not [name for name in attributes if name.startswith("on")], tag
    assert "img" not in {tag for tag, _ in reader.elements}
    for _, attributes, text in reader.texts:
        if attributes.get("type") != "application/json":
            assert not re.search(r"\bfetch\(|XMLHttpRequest|WebSocket|import\(|@import|url\(|innerHTML\s*=", text)


def test_the_policy_permits_the_scripts_and_styles_that_are_there_and_nothing_else(document: bytes) -> None:
    reader = read(page(document))
    (policy,) = [a["content"] for tag, a in reader.elements if tag == "meta" and a.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    hashed = [text for tag, attributes, text in reader.texts if attributes.get("type") != "application/json"]
    assert len(hashed) == 4
    for text in hashed:
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy
    assert policy.count("sha256-") == 4


def test_the_page_holds_the_document_without_the_orders(document: bytes) -> None:
    reader = read(page(document))
    (data,) = [text for _, attributes, text in reader.texts if attributes.get("type") == "application/json"]
    expected = json.loads(document)
    del expected["orders"]
    assert json.loads(data) == expected


def test_words_of_a_strategy_never_become_markup(document: bytes) -> None:
    content = json.loads(document)
    evil = "</script><img src=x onerror=alert(1)><!-- {{SCRIPT}}"
    content["round_trips"][0]["entry_reason"] = evil
    content["inputs"]["strategy"] = evil
    text = page(json.dumps(content).encode())
    reader = read(text)
    assert "img" not in {tag for tag, _ in reader.elements}
    (data,) = [text for _, attributes, text in reader.texts if attributes.get("type") == "application/json"]
    assert json.loads(data)["round_trips"][0]["entry_reason"] == evil


def test_the_chart_library_is_the_vendored_one_with_its_licence(document: bytes) -> None:
    plot = (ROOT / "web" / "static" / "vendor" / "uPlot.iife.min.js").read_text()
    text = page(document)
    assert plot in text
    assert "Permission is hereby granted" in text  # what the MIT licence asks of every copy


def test_every_place_that_the_script_fills_exists() -> None:
    folder = ROOT / "report" / "static"
    script, template = (folder / "report.js").read_text(), (folder / "report.html").read_text()
    ids = set(re.findall(r'id="([a-z-]+)"', template))
    used = set(re.findall(r'\$\("([a-z-]+)"\)', script)) | set(re.findall(r'(?:fill|pairs|chart)\("([a-z-]+)"', script))
    assert used <= ids
