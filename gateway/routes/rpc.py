"""The routes of unary RPCs, built from the google.api.http annotations of the contracts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import grpc
import orjson
from aiohttp import web
from aiohttp.typedefs import Handler
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from gateway.alignment_form import take_alignment_form, takes_alignment_form, to_raw_json
from gateway.codec import decode, encode
from gateway.http_rules import HttpRule, read_http_rules
from gateway.request_parsing import IDEMPOTENCY_KEY, get_principal, read_idempotency_key, read_json, read_parameters
from services.common.errors import MediaError, Reason, invalid
from services.common.rpc.call_limits import CallLimits
from services.common.rpc.channel import call_metadata

WHOLE_BODY = "*"

CREATE_JOB = "media.jobs.v1.JobService.CreateJob"
"""The RPC that takes an idempotency key in a header too, as the routes that wait for a job do."""
LARGE_BODIES: Mapping[str, int] = {
    "media.image.v1.ImageService.TransformImage": 28 * 1024 * 1024,
    "media.video.v1.VideoService.ProbeMedia": 28 * 1024 * 1024,
}
"""Largest JSON body in bytes, for RPCs whose body may hold a file: 20 MiB in base64, and the other fields."""


def build_rpc_routes(
    channel: grpc.aio.Channel, service: ServiceDescriptor, limits: CallLimits
) -> Sequence[web.RouteDef]:
    """Return a route for every annotated RPC of `service`; each calls the RPC over `channel`."""
    # The router takes the first route that matches: one whose variable takes several segments comes last.
    rules = sorted(read_http_rules(service), key=lambda rule: bool(rule.deep_fields))
    return [
        web.route(rule.method, _to_router_path(rule), _build_handler(channel, rule, limits), allow_head=True)
        if rule.method == "GET"
        else web.route(rule.method, _to_router_path(rule), _build_handler(channel, rule, limits))
        for rule in rules
    ]


def _to_router_path(rule: HttpRule) -> str:
    """Return the path in the form of the router of aiohttp, which takes several segments as `{name:.+}`."""
    path = rule.path
    for field in rule.deep_fields:
        path = path.replace(f"{{{field}}}", f"{{{field}:.+}}")
    return path


def _build_handler(channel: grpc.aio.Channel, rule: HttpRule, limits: CallLimits) -> Handler:
    request_type: type[Message] = GetMessageClass(rule.rpc.input_type)
    call = _build_call(channel, rule.rpc)
    seconds = limits.choose_seconds(rule.rpc)
    has_forms = takes_alignment_form(rule)

    async def answer(request: web.Request) -> web.Response:
        fields = await _read_fields(request, rule)
        is_raw = has_forms and take_alignment_form(fields)
        if rule.rpc.full_name == CREATE_JOB:
            _add_request_id(fields, read_idempotency_key(request))
        message = decode(request_type, fields)
        reply = await call(message, timeout=seconds, metadata=call_metadata(get_principal(request)))
        answer_message = getattr(reply, rule.response_body) if rule.response_body else reply
        found = encode(answer_message)
        return web.Response(
            body=orjson.dumps({"success": True, **(to_raw_json(found) if is_raw else found)}),
            content_type="application/json",
        )

    return answer


def _add_request_id(fields: dict[str, object], key: str) -> None:
    """Take the idempotency key of a request as its request id; raise if the body has another one."""
    names = [name for name in ("requestId", "request_id") if fields.get(name)]
    if key and any(fields[name] != key for name in names):
        raise invalid("request_id", f"must be the {IDEMPOTENCY_KEY} of the request, or be absent")
    if key and not names:
        fields.pop("request_id", None)
        fields["requestId"] = key


def _build_call(channel: grpc.aio.Channel, rpc: MethodDescriptor) -> grpc.aio.UnaryUnaryMultiCallable[Message, Message]:
    return channel.unary_unary(
        f"/{rpc.containing_service.full_name}/{rpc.name}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(rpc.output_type).FromString,
    )


async def _read_fields(request: web.Request, rule: HttpRule) -> dict[str, object]:
    """Return the fields of body, query and path together; raise if a field comes twice."""
    fields = read_parameters(request, rule.rpc.input_type)
    # Browsers and curl send neither a body nor its type for a bare POST, such as to cancel a job.
    is_bare = not request.body_exists and "Content-Type" not in request.headers
    if not rule.body or (is_bare and rule.body == WHOLE_BODY):
        return fields
    body = await read_json(_allow_body_size(request, rule))
    if rule.body != WHOLE_BODY:
        return {**fields, rule.body: body}
    if not isinstance(body, dict):
        raise MediaError(Reason.VALIDATION_ERROR, "The body must be a JSON object.")
    if repeated := sorted(fields.keys() & body.keys()):
        raise invalid(repeated[0], "must be given once: in the path, the query or the body")
    return {**fields, **body}


def _allow_body_size(request: web.Request, rule: HttpRule) -> web.Request:
    """Return `request` with the limit that LARGE_BODIES sets for the RPC."""
    limit = LARGE_BODIES.get(rule.rpc.full_name)
    return request if limit is None else request.clone(client_max_size=limit)
