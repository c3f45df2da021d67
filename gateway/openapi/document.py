"""Builds the OpenAPI 3.1 document from the hand-written routes and the contracts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

from google.protobuf.descriptor import Descriptor, ServiceDescriptor

from gateway.http_rules import read_http_rules
from gateway.openapi.comments import find_comment
from gateway.openapi.error_responses import ERROR, build_error_responses, build_error_schema, build_error_table
from gateway.openapi.images import IMAGE_ROUTES
from gateway.openapi.jobs import JOB_ROUTES
from gateway.openapi.operations import (
    build_hand_written_operation,
    build_rpc_operation,
    build_tag,
)
from gateway.openapi.route_spec import HandWritten
from gateway.openapi.schemas import Schemas
from gateway.openapi.speech import SPEECH_ROUTES
from gateway.openapi.suite import SUITE_ROUTES
from gateway.openapi.videos import VIDEO_ROUTES

_Json = dict[str, object]

HAND_WRITTEN: tuple[HandWritten, ...] = (*SPEECH_ROUTES, *IMAGE_ROUTES, *VIDEO_ROUTES, *JOB_ROUTES, *SUITE_ROUTES)
"""All hand-written routes, in the order of the document."""

_DESCRIPTION = """\
Speech, images and videos from paid providers and embedded engines, and jobs that combine them, over HTTP and JSON. The
same services answer native gRPC on the same port.

- **Text to speech**: voices, whole and streamed audio, timing of words, captions.
- **Image**: images from prompts or other images, uploads, exact sizes and formats.
- **Video**: videos from images, audio muxed into videos, progress while they are generated.
- **Job**: work that continues without a connection, with events, webhooks and an end that is never lost.
- **Usage**, **Media**, **Suite**: totals of the caller, stored files, health and this document.

**Credentials.** Every operation needs `Authorization: Bearer <token>` or an API key in `x-api-key`, unless it says
otherwise. On this page, *Authorize* takes either.

**JSON.** Field names in responses are camelCase; requests may use camelCase or snake_case. The routes
`/jobs_prompt_only` and `/jobs_prompt_tts` respond in snake_case. Values of a fixed set are plain words in lower case,
such as `high`, `vintage` or `succeeded`; requests may write them in any case. `voiceId` is another name of `voice`, and
`objectKey` may stand beside the prompt of an image. An unknown field, or a field of a wrong type, is an error that
names the field and, if it belongs elsewhere, its place; null means absent. Integers are JSON numbers of up to 64 bits.

**Errors** have one form, `Error`, with a `code` for programs. A streamed response begins with status 200; if it fails
after that, the connection closes without the final chunk, and the received part is incomplete.
"""
_SECURITY_SCHEMES: _Json = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A signed token; in a local suite `make -s token` prints one.",
    },
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "A key from the operator."},
}
_REQUEST_ID_HEADER: _Json = {
    "description": "Id of the request: the caller's `X-Request-Id` if it is valid, else a new id. Quote it to support.",
    "schema": {"type": "string"},
}


def build_document(routes: Sequence[HandWritten], services: Sequence[ServiceDescriptor], version: str) -> _Json:
    """Return the OpenAPI 3.1 document of the hand-written `routes` and the annotated RPCs of `services`.

    Args:
        routes: The hand-written routes, in the order of the document.
        services: The services whose RPCs have HTTP routes.
        version: The version of the suite.

    Raises:
        ValueError: Two routes share path and method, or a name, or the gateway cannot serve an annotation.
    """
    schemas = Schemas(_list_messages(routes, services))
    paths: dict[str, _Json] = {}
    for path, method, operation in _build_operations(routes, services, schemas):
        if method in paths.setdefault(path, {}):
            raise ValueError(f"two routes answer {method.upper()} {path}")
        paths[path][method] = operation
    _check_names(paths)
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Media suite",
            "version": version,
            "description": f"{_DESCRIPTION}\n{_fold(build_error_table())}\n",
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"apiKey": []}],
        "tags": _build_tags(routes, services),
        "paths": paths,
        "components": {
            "schemas": {ERROR: build_error_schema(), **dict(sorted(schemas.components.items()))},
            "responses": build_error_responses(),
            "headers": {"RequestId": _REQUEST_ID_HEADER},
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


def _fold(table: str) -> str:
    """Return a long table so that the page shows it at a click."""
    return f"<details><summary>All errors</summary>\n\n{table}\n\n</details>"


def _list_messages(routes: Sequence[HandWritten], services: Sequence[ServiceDescriptor]) -> Iterator[Descriptor]:
    for route in routes:
        if route.request is not None:
            yield route.request.DESCRIPTOR  # type: ignore[misc]  # protobuf's native class, a Descriptor in all but name
    for service in services:
        for rule in read_http_rules(service):
            yield rule.rpc.input_type


def _build_operations(
    routes: Sequence[HandWritten], services: Sequence[ServiceDescriptor], schemas: Schemas
) -> Iterator[tuple[str, str, _Json]]:
    for route in routes:
        yield route.path, route.method.lower(), build_hand_written_operation(route, schemas)
    for service in services:
        for _, rules in groupby(read_http_rules(service), key=lambda rule: rule.rpc.full_name):
            for number, rule in enumerate(rules, start=1):
                yield rule.path, rule.method.lower(), build_rpc_operation(rule, number, schemas)


def _build_tags(routes: Sequence[HandWritten], services: Sequence[ServiceDescriptor]) -> list[_Json]:
    described: dict[str, _Json] = {
        build_tag(service): {"name": build_tag(service), "description": find_comment(service.full_name)}
        for service in services
    }
    for route in routes:
        for tag in route.tags:
            described.setdefault(tag, {"name": tag})
    return list(described.values())


def _check_names(paths: dict[str, _Json]) -> None:
    names = Counter(
        operation["operationId"]
        for item in paths.values()
        for operation in item.values()
        if isinstance(operation, dict)
    )
    if repeated := sorted(str(name) for name, count in names.items() if count > 1):
        raise ValueError(f"two routes are called {repeated[0]}")
