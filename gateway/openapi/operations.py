"""Builds the operation objects: of RPC routes from the contracts, of hand-written routes from their specs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from google.protobuf.descriptor import Descriptor, FieldDescriptor, ServiceDescriptor

from gateway.alignment_form import takes_alignment_form
from gateway.http_rules import HttpRule
from gateway.openapi.comments import find_comment, split_comment
from gateway.openapi.error_responses import ERROR_REFERENCE, REQUEST_ID, REQUEST_ID_HEADER
from gateway.openapi.examples import RPC_EXAMPLES, Examples
from gateway.openapi.route_spec import Content, HandWritten, Header, Query, Response
from gateway.openapi.schemas import Schemas, is_object, is_required
from gateway.openapi.timing_schemas import ALIGNMENT_FORM

_Json = dict[str, object]
_JSON = "application/json"
_WORDS = re.compile(r"[A-Z][a-z0-9]*")
_SUCCESS: _Json = {
    "type": "object",
    "properties": {"success": {"const": True}},
    "required": ["success"],
}


def build_tag(service: ServiceDescriptor) -> str:
    """Return the tag that groups the routes of a service, such as `Text to speech`."""
    words: list[str] = _WORDS.findall(service.name.removesuffix("Service"))
    return " ".join(words).capitalize()


def build_rpc_operation(rule: HttpRule, number: int, schemas: Schemas) -> _Json:
    """Return the operation of a route that calls an RPC.

    Args:
        rule: The route.
        number: Number of the route among those of the RPC, from 1.
        schemas: Collects the schemas of the types that the operation uses.

    Raises:
        ValueError: The rule would put an object into the query string.
    """
    summary, description = split_comment(find_comment(rule.rpc.full_name))
    name = rule.rpc.name[:1].lower() + rule.rpc.name[1:] + (str(number) if number > 1 else "")
    request = rule.rpc.input_type
    in_body = _list_body_fields(rule)
    operation: _Json = {
        "operationId": name,
        "tags": [build_tag(rule.rpc.containing_service)],
        "summary": summary,
        "description": description,
        "parameters": [
            *(_build_parameter(request.fields_by_name[field], "path", schemas) for field in rule.path_fields),
            *(_build_query_parameter(rule, field, schemas) for field in _list_query_fields(rule, in_body)),
            *([_build_declared_parameter(ALIGNMENT_FORM, "query")] if takes_alignment_form(rule) else []),
        ],
        "responses": {
            "200": {
                "description": split_comment(find_comment(rule.answer.full_name))[0] + ".",
                "headers": {REQUEST_ID: REQUEST_ID_HEADER},
                "content": {_JSON: {"schema": {"allOf": [_SUCCESS, schemas.refer_to(rule.answer)]}}},
            },
            **ERROR_REFERENCE,
        },
    }
    if rule.public:
        operation["security"] = []
    if rule.body == "*":
        operation["requestBody"] = _build_body(
            _build_request_schema(request, rule.path_fields, name, schemas), RPC_EXAMPLES.get(name)
        )
    elif rule.body:
        operation["requestBody"] = _build_body(schemas.build_field_schema(request.fields_by_name[rule.body]))
    return _drop_empty(operation, keep=("security",))


def build_hand_written_operation(route: HandWritten, schemas: Schemas) -> _Json:
    """Return the operation of a hand-written route."""
    operation: _Json = {
        "operationId": route.operation_id,
        "tags": list(route.tags),
        "summary": route.summary,
        "description": route.description,
        "parameters": [
            *(_build_declared_parameter(parameter, "path") for parameter in route.in_path),
            *(_build_declared_parameter(parameter, "query") for parameter in route.query),
            *(_build_declared_parameter(parameter, "header") for parameter in route.in_headers),
        ],
        "responses": {
            **{str(response.status): _build_response(response, schemas) for response in route.responses},
            **({} if route.public else ERROR_REFERENCE),
        },
    }
    if route.request is not None:
        schema = _build_request_schema(_get_descriptor(route), route.request_omits, route.operation_id, schemas)
        operation["requestBody"] = _build_body(schema, route.examples)
    elif route.json_body is not None:
        operation["requestBody"] = _build_body(dict(route.json_body), route.examples)
    elif route.files:
        binary: _Json = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in route.files}
        operation["requestBody"] = {"required": True, "content": binary}
    if route.public:
        operation["security"] = []
    return _drop_empty(operation, keep=("security",))


def _get_descriptor(route: HandWritten) -> Descriptor:
    if route.request is None:
        raise ValueError(f"{route.operation_id} takes no body")
    return route.request.DESCRIPTOR  # type: ignore[return-value]  # protobuf's native class, a Descriptor in all but name


def _list_body_fields(rule: HttpRule) -> set[str]:
    every = set(rule.rpc.input_type.fields_by_name)
    return every - set(rule.path_fields) if rule.body == "*" else {rule.body} & every


def _list_query_fields(rule: HttpRule, in_body: set[str]) -> Iterable[FieldDescriptor]:
    elsewhere = in_body | set(rule.path_fields)
    return [field for field in rule.rpc.input_type.fields if field.name not in elsewhere]


def _build_query_parameter(rule: HttpRule, field: FieldDescriptor, schemas: Schemas) -> _Json:
    if is_object(field):
        raise ValueError(f"{field.full_name} is an object, so {rule.method} {rule.path} needs a body for it")
    return _build_parameter(field, "query", schemas)


def _build_parameter(field: FieldDescriptor, place: str, schemas: Schemas) -> _Json:
    schema = schemas.build_field_schema(field)
    parameter: _Json = {
        "name": field.name if place == "path" else field.json_name,
        "in": place,
        "required": place == "path" or is_required(field),
        "description": schema.pop("description", ""),
        "schema": schema,
    }
    return _drop_empty(parameter, keep=("schema", "required"))


def _build_declared_parameter(parameter: Query | Header, place: str) -> _Json:
    return {
        "name": parameter.name,
        "in": place,
        "required": place == "path",
        "description": parameter.description,
        "schema": dict(parameter.schema),
    }


def _build_request_schema(kind: Descriptor, omit: Iterable[str], operation_id: str, schemas: Schemas) -> _Json:
    omitted = tuple(omit)
    if not omitted:
        return schemas.refer_to(kind)
    return schemas.refer_reduced(kind, omitted, f"{operation_id[:1].upper()}{operation_id[1:]}Body")


def _build_body(schema: _Json, examples: Examples | None = None) -> _Json:
    shown: _Json = {title: {"value": dict(body)} for title, body in (examples or {}).items()}
    media = _drop_empty({"schema": schema, "examples": shown})
    return {"required": True, "content": {_JSON: media}}


def _build_response(response: Response, schemas: Schemas) -> _Json:
    headers: _Json = {
        header.name: {"description": header.description, "schema": dict(header.schema)} for header in response.headers
    }
    content = {item.media_type: _build_media(item, schemas) for item in response.content}
    described: _Json = {
        "description": response.description,
        "headers": {REQUEST_ID: REQUEST_ID_HEADER, **headers},
        "content": content,
    }
    return _drop_empty(described)


def _build_media(content: Content, schemas: Schemas) -> _Json:
    return {} if content.schema is None else {"schema": schemas.resolve(content.schema)}


def _drop_empty(node: _Json, keep: Iterable[str] = ()) -> _Json:
    return {key: value for key, value in node.items() if key in keep or value not in ("", [], {})}
