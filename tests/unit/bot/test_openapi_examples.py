"""Every request and every answer in the document has an example, and the example is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from tradingbot.web import examples, openapi
from tradingbot.web.routes import docs

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENT = openapi.document(docs.endpoints())
PLAIN = "text/plain"
# What may be empty because nothing is wrong, or nothing was said.
EMPTY = {"problem", "code", "meaning", "note", "reason"}


def contents() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Give each media type of each operation, and where it is."""
    for path, verbs in DOCUMENT["paths"].items():
        for verb, operation in verbs.items():
            where = f"{verb.upper()} {path}"
            for media, found in operation.get("requestBody", {}).get("content", {}).items():
                yield f"{where} request", media, found
            for status, answer in operation["responses"].items():
                for media, found in answer["content"].items():
                    yield f"{where} {status}", media, found


def texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from texts(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner, name)
    elif isinstance(value, str):
        yield name, value


CASES = [(where, found) for where, media, found in contents() if media != PLAIN]


@pytest.mark.parametrize("content", [found for _, found in CASES], ids=[where for where, _ in CASES])
def test_an_example_is_what_its_schema_says_and_leaves_no_text_empty(content: dict[str, Any]) -> None:
    schema = {**content["schema"], "components": DOCUMENT["components"]}
    jsonschema.Draft202012Validator(schema).validate(content["example"])
    assert [name for name, text in texts(content["example"]) if not text and name not in EMPTY] == []


def test_no_word_is_kept_that_no_example_uses() -> None:
    names = {f"{owner}.{field}" for owner, model in DOCUMENT["components"]["schemas"].items() for field in
             model.get("properties", {})}  # fmt: skip
    fields = {name.partition(".")[2] for name in names}
    assert {word for word in examples.WORDS if word not in names and word not in fields} == set()


def test_each_tag_has_its_place_on_the_page() -> None:
    script = (docs.STATIC / "docs.js").read_text(encoding="utf-8")
    tags = {operation["tags"][0] for verbs in DOCUMENT["paths"].values() for operation in verbs.values()}
    assert {tag for tag in tags if f'"{tag}"' not in script} == set()
