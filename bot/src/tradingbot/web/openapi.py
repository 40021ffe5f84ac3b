"""Endpoints with types: what a request may say is checked by its model, and the OpenAPI document is made of the same.

A handler gets a `Call` with the checked query and body, and answers with a response; what its answer looks like is
the model in `answer`, which documents (a test holds the running bot against it).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.json_schema import models_json_schema

from tradingbot import __version__
from tradingbot.strategy.params import explain
from tradingbot.web import examples
from tradingbot.web.auth import require_key
from tradingbot.web.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

REF = "#/components/schemas/{model}"


class Ask(BaseModel):
    """Base of what a request may say. What is not known is refused: a misspelt flag must not be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Nothing(Ask):
    """A request that says nothing beside its path."""


class Answer(BaseModel):
    """Base of answers; they document, and tests hold the bot to them: built when the document is asked for."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class ProblemAnswer(Answer):
    """What is wrong, and what to do (RFC 9457, application/problem+json)."""

    type: str
    title: str
    """A code from a small set, for programs."""
    status: int
    detail: str
    """A sentence that says what to do."""
    correlation_id: str
    """The id of the request in the log; also in the header X-Correlation-ID."""


Q = TypeVar("Q", bound=BaseModel)
B = TypeVar("B", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Call(Generic[Q, B]):
    """A request whose parts are checked."""

    request: web.Request
    query: Q
    body: B

    @property
    def app(self) -> web.Application:
        """Return the application."""
        return self.request.app


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One operation, as it is documented."""

    method: str
    path: str
    tag: str
    summary: str
    description: str
    query: type[BaseModel]
    body: type[BaseModel]
    answer: type[BaseModel] | None
    media: str
    status: int
    also: tuple[int, ...]
    """Other statuses with the same answer."""
    problems: tuple[int, ...]
    key: bool
    path_parameters: dict[str, str]


class Api:
    """A list of endpoints, from which the routes and the document are made."""

    def __init__(self) -> None:
        self.endpoints: list[Endpoint] = []
        self.routes = web.RouteTableDef()

    def add(
        self,
        method: str,
        path: str,
        tag: str,
        *,
        query: type[Q] = Nothing,  # type: ignore[assignment]
        body: type[B] = Nothing,  # type: ignore[assignment]
        answer: type[BaseModel] | None = None,
        media: str = "application/json",
        status: int = 200,
        also: tuple[int, ...] = (),
        problems: tuple[int, ...] = (),
        key: bool = False,
        path_parameters: dict[str, str] | None = None,
    ) -> Callable[[Callable[[Call[Q, B]], Awaitable[web.StreamResponse]]], Callable[[Call[Q, B]], Any]]:
        """Register a handler; its docstring is the documentation."""

        def register(
            handler: Callable[[Call[Q, B]], Awaitable[web.StreamResponse]],
        ) -> Callable[[Call[Q, B]], Any]:
            text = (handler.__doc__ or "").strip()
            summary, _, description = text.partition("\n")
            self.endpoints.append(
                Endpoint(
                    method=method,
                    path=path,
                    tag=tag,
                    summary=summary,
                    description=" ".join(description.split()),
                    query=query,
                    body=body,
                    answer=answer,
                    media=media,
                    status=status,
                    also=also,
                    problems=problems,
                    key=key,
                    path_parameters=path_parameters or {},
                )
            )

            async def handle(request: web.Request) -> web.StreamResponse:
                if key:
                    require_key(request)
                asked = _query(request, query)
                said = await _body(request, body)
                return await handler(Call(request, asked, said))

            self.routes.route(method, path)(handle)
            return handler

        return register


def _query(request: web.Request, model: type[Q]) -> Q:
    values: dict[str, str] = {}
    for name, value in request.query.items():
        if name in values:
            raise Problem(400, "BadParameter", f"{name} comes twice, keep one of them")
        values[name] = value
    return _checked(model, values, 400, "BadParameter")


async def _body(request: web.Request, model: type[B]) -> B:
    if model is Nothing:
        # Never read: what is not asked for costs nothing.
        return model()
    data = await request.read()
    if not data:
        return _checked(model, {}, 422, "InvalidBody")
    if request.content_type != "application/json":
        text = f"send JSON with the header Content-Type: application/json, not {request.content_type}"
        raise Problem(415, "UnsupportedMediaType", text)
    try:
        values = json.loads(data, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "NotJson", f"the body is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise Problem(422, "InvalidBody", "the body must be a JSON object")
    return _checked(model, values, 422, "InvalidBody")


def _checked(model: type[B], values: dict[str, Any], status: int, code: str) -> B:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise Problem(status, code, "; ".join(explain(error, "", list(model.model_fields)))) from None


# -- the document ------------------------------------------------------------------------------------------------------

_TEXTS = {
    400: "A parameter is wrong.",
    401: "The key is missing or wrong.",
    403: "No key is configured, so nothing can be changed over HTTP.",
    404: "There is no such thing.",
    409: "The bot will not do it; the sentence says why and what to do.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "The body is wrong.",
    503: "It cannot be done now.",
}


def document(endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """Write the OpenAPI document."""
    listed = list(endpoints)
    wanted: dict[tuple[type[BaseModel], Any], None] = {(ProblemAnswer, "serialization"): None}
    for each in listed:
        if each.answer is not None:
            wanted[each.answer, "serialization"] = None
        if each.body is not Nothing:
            wanted[each.body, "validation"] = None
    refs, definitions = models_json_schema(list(wanted), ref_template=REF)
    schemas = dict(definitions.get("$defs", {}))
    for each in listed:
        schemas = each.query.model_json_schema(ref_template=REF).get("$defs", {}) | schemas
    paths: dict[str, dict[str, Any]] = {}
    for each in listed:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, refs, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "tradingbot",
            "version": __version__,
            "description": "One trading bot. Amounts are decimal text, times are UTC. Errors are problem+json.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
        },
    }


def _operation(each: Endpoint, refs: dict[Any, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    name = "".join(part for part in each.path.removeprefix("/api/v1") if part.isalnum() or part in "/_-")
    found: dict[str, Any] = {
        "operationId": (each.method.lower() + name.replace("/", "_").replace("-", "_")).rstrip("_"),
        "tags": [each.tag],
        "summary": each.summary,
        "parameters": [*_path_parameters(each), *_query_parameters(each.query)],
        "responses": _responses(each, refs, schemas),
    }
    if each.description:
        found["description"] = each.description
    if each.key:
        found["security"] = [{"key": []}]
    if each.body is not Nothing:
        schema = refs[each.body, "validation"]
        content = {"application/json": {"schema": schema, "example": examples.of(schema, schemas)}}
        required = any(field.is_required() for field in each.body.model_fields.values())
        found["requestBody"] = {"required": required, "content": content}
    return found


def _path_parameters(each: Endpoint) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "description": text, "schema": {"type": "string"}}
        for name, text in each.path_parameters.items()
    ]


def _query_parameters(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema(ref_template=REF)
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "description": values.get("description", ""),
            "schema": {key: value for key, value in values.items() if key not in ("title", "description")},
        }
        for name, values in schema.get("properties", {}).items()
    ]


def _responses(each: Endpoint, refs: dict[Any, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {each.media: {"schema": {"type": "string"}}}
    if each.answer is not None:
        schema = refs[each.answer, "serialization"]
        content = {each.media: {"schema": schema, "example": examples.of(schema, schemas)}}
    found: dict[str, Any] = {str(each.status): {"description": each.summary, "content": content}}
    for status in each.also:
        found[str(status)] = {"description": "The same, where it is not well.", "content": content}
    problems = set(each.problems) | {400}
    if each.key:
        problems |= {401, 403}
    if each.body is not Nothing:
        problems |= {413, 415, 422}
    schema = refs[ProblemAnswer, "serialization"]
    for status in sorted(problems - {int(known) for known in found}):
        problem = {"application/problem+json": {"schema": schema, "example": examples.problem(status)}}
        found[str(status)] = {"description": _TEXTS[status], "content": problem}
    return found
