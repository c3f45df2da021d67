"""Reads the requests of clients: JSON bodies, query strings, path parameters and headers."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import orjson
from aiohttp import web
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from gateway.codec import decode
from services.common.errors import MediaError, Reason, invalid
from services.common.rpc.metadata import PRINCIPAL
from services.common.storage import RouteLinks
from services.common.storage.signed_urls import SIGNATURE

M = TypeVar("M", bound=Message)

_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
}
_FLOATS = {FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT}
_INTEGER = re.compile(r"-?[0-9]{1,20}")
IDEMPOTENCY_KEY = "Idempotency-Key"
_BOOLEANS = {"true": True, "false": False}


async def read_message(request: web.Request, kind: type[M]) -> M:
    """Return the JSON body as a message of type `kind`; raise as `read_json` and `decode` do."""
    return decode(kind, await read_json(request))


async def read_json(request: web.Request) -> object:
    """Return the parsed JSON body.

    Raises:
        MediaError: UNSUPPORTED_MEDIA_TYPE, PAYLOAD_TOO_LARGE, or VALIDATION_ERROR if it is not JSON in UTF-8.
    """
    if request.content_type != "application/json" or (request.charset or "utf-8").lower() != "utf-8":
        raise MediaError(Reason.UNSUPPORTED_MEDIA_TYPE)
    body = await request.read()
    if not body:
        raise MediaError(Reason.VALIDATION_ERROR, "The body is empty; send a JSON object.")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MediaError(
            Reason.VALIDATION_ERROR,
            f"The body is not valid JSON in UTF-8, at line {error.lineno} column {error.colno}.",
        ) from None


def read_parameters(request: web.Request, descriptor: Descriptor) -> dict[str, Any]:
    """Return query and path parameters as `decode` takes them, each converted to the type of its field.

    Raises:
        MediaError: VALIDATION_ERROR, a parameter is in the query and the path, or repeated though its field is not.
    """
    found: dict[str, Any] = {}
    for name in request.query:
        field = descriptor.fields_by_name.get(name) or descriptor.fields_by_camelcase_name.get(name)
        values = [_parse_value(value, field) for value in request.query.getall(name)]
        is_list = field is not None and field.is_repeated
        if name in request.match_info or (len(values) > 1 and not is_list):
            raise invalid(name, "must be given once")
        found[name] = values if is_list else values[0]
    return {**found, **request.match_info}


def _parse_value(value: str, field: FieldDescriptor | None) -> object:
    """Return `value` in the type of `field` if it has that form; else unchanged, and `decode` names the field."""
    try:
        if field is not None and field.cpp_type in _INTEGERS and _INTEGER.fullmatch(value):
            return int(value)
        if field is not None and field.cpp_type in _FLOATS:
            return float(value)
    except ValueError:
        return value
    if field is not None and field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return _BOOLEANS.get(value, value)
    return value


def read_header(request: web.Request, name: str) -> str:
    """Return a header of the request; empty if the request has none of that name.

    Raises:
        MediaError: VALIDATION_ERROR, the header is not ASCII text.
    """
    text = request.headers.get(name, "")
    if not text.isascii():
        raise invalid(name, "must be ASCII text")
    return text


def read_idempotency_key(request: web.Request) -> str:
    """Return the idempotency key. The draft of the header puts it in quotes, which many clients leave out."""
    name = read_header(request, IDEMPOTENCY_KEY)
    is_quoted = len(name) > 1 and name[0] == name[-1] == '"'
    return name[1:-1] if is_quoted else name


def get_principal(request: web.Request) -> str:
    """Return the caller that the edge has verified; empty for a public route."""
    return request.headers.get(PRINCIPAL, "")


def get_reader(request: web.Request, links: RouteLinks) -> str:
    """Return the caller for which the request reads: the owner in a signed link, else the one that the edge verified.

    Raises:
        MediaError: PERMISSION_DENIED, the signature is wrong or the link has expired.
    """
    if SIGNATURE not in request.query:
        return get_principal(request)
    owner, _ = links.check(request.path, request.query)
    return owner
