"""The OpenAPI 3.1 document, made of the table of routes: what is not in the one can't be in the other."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from inbox.api.problems import Problem
from inbox.api.routes import PREFIX, Route

_NO_NAME = re.compile(r"[^A-Za-z0-9._-]")
_PARAMETER = re.compile(r"\{(\w+)\}")


def make_document(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """The whole document."""
    types = list(_types(routes))
    schemas, components = msgspec.json.schema_components([*types, Problem], ref_template="#/components/schemas/{name}")
    by_type = dict(zip(map(repr, types), schemas, strict=False))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(route, by_type, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Switchboard", "version": version, "license": {"name": "AGPL-3.0-or-later"}},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": {"problem": _content("What went wrong, what was kept, what to do", schemas[-1], problem=True)},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "hub_session"},
            },
        },
    }


def _types(routes: Iterable[Route]) -> Iterable[Any]:
    for route in routes:
        for type_ in (route.query, route.body, route.result, *route.params.values()):
            if type_ is not None and type_ is not type(None):
                yield type_


def _operation(route: Route, by_type: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": f"{route.method.lower()}{_NO_NAME.sub('_', route.path.replace('{', '').replace('}', ''))}",
        "tags": [route.tag],
        "security": [{"bearer": []}, {"session": []}] if route.scope else [],
        "parameters": [*_path_parameters(route, by_type), *_query_parameters(route, by_type, components)],
        "responses": {
            str(route.status): _content("Done", by_type.get(repr(route.result), {})),
            "default": {"$ref": "#/components/responses/problem"},
        },
    }
    if route.scope:
        operation["x-scope"] = route.scope
    if route.writes and route.method == "POST":
        operation["parameters"].append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "schema": {"type": "string", "maxLength": 255},
                "description": "The same key with the same request gets the same answer, for 72 hours.",
            }
        )
    if route.body is not None:
        operation["requestBody"] = {"required": True, **_content("", by_type[repr(route.body)], described=False)}
    return operation


def _content(description: str, schema: Any, *, problem: bool = False, described: bool = True) -> dict[str, Any]:
    kind = "application/problem+json" if problem else "application/json"
    content = {"content": {kind: {"schema": schema}}}
    return {"description": description, **content} if described else content


def _path_parameters(route: Route, by_type: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": by_type[repr(route.params[name])]}
        for name in _PARAMETER.findall(route.path)
    ]


def _query_parameters(route: Route, by_type: dict[str, Any], components: dict[str, Any]) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    schema = by_type[repr(route.query)]
    struct = components[schema["$ref"].rpartition("/")[2]]
    required = struct.get("required", [])
    return [
        {"name": name, "in": "query", "required": name in required, "schema": inner}
        for name, inner in struct["properties"].items()
    ]
