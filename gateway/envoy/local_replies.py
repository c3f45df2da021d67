"""Responses of the edge itself: the JSON error of the suite over HTTP, a plain message over gRPC."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.envoy.cors import build_preflight_mapper, build_refusal_headers
from gateway.envoy.settings import EdgeSettings
from gateway.envoy.typed_config import Config, build_extension
from services.common.errors import Reason

RETRY_AFTER_SECONDS = 1
_CEL = "envoy.access_loggers.extension_filters.cel"
_FIRST_ERROR_STATUS = 400


@dataclass(frozen=True, slots=True)
class Reply:
    """One response of the edge."""

    status: int
    """Status that Envoy chose; 0 matches every error that no other row matches."""
    reason: Reason
    message: str
    """What is wrong and what to do; empty: the meaning of the reason."""
    detail: str = ""
    """Part of Envoy's response code details; tells rows of the same status apart."""

    @property
    def text(self) -> str:
        """The message that the caller reads."""
        return self.message or self.reason.info.meaning


REPLIES: tuple[Reply, ...] = (
    Reply(400, Reason.VALIDATION_ERROR, "The request is not well-formed HTTP: check its path and header names."),
    Reply(
        401,
        Reason.UNAUTHENTICATED,
        "The request carries no token; send it as `authorization: Bearer <token>`.",
        detail="Jwt_is_missing",
    ),
    Reply(401, Reason.UNAUTHENTICATED, "The token has expired; get a new one.", detail="Jwt_is_expired"),
    Reply(
        401,
        Reason.UNAUTHENTICATED,
        "The API key is unknown; check the x-api-key header.",
        detail="api_key",
    ),
    Reply(
        401,
        Reason.UNAUTHENTICATED,
        "The token is not valid here: it needs a known signing key, the expected issuer, `sub` and `exp`.",
    ),
    Reply(
        403,
        Reason.PERMISSION_DENIED,
        "The token was issued for another audience; get one for this service.",
        detail="Audiences_in_Jwt",
    ),
    Reply(403, Reason.PERMISSION_DENIED, ""),
    Reply(404, Reason.NOT_FOUND, "There is no route for this path and method; GET /openapi.json lists the routes."),
    Reply(408, Reason.DEADLINE_EXCEEDED, "The request did not arrive in time; send it again."),
    Reply(413, Reason.PAYLOAD_TOO_LARGE, ""),
    Reply(429, Reason.RATE_LIMITED, ""),
    Reply(431, Reason.VALIDATION_ERROR, "The request headers are too large; send fewer or shorter ones."),
    Reply(502, Reason.UNAVAILABLE, ""),
    Reply(503, Reason.UNAVAILABLE, ""),
    Reply(504, Reason.DEADLINE_EXCEEDED, "No answer came in time; retry, or ask for less."),
    Reply(0, Reason.INTERNAL, ""),
)
"""All rows; the first that matches decides."""


def build_local_replies(settings: EdgeSettings) -> Config:
    """Return the mappers from Envoy's own responses to those of REPLIES."""
    headers = build_refusal_headers(settings)
    return {
        "mappers": [
            build_preflight_mapper(settings),
            *(
                {**mapper, "headers_to_add": [*headers, *mapper.get("headers_to_add", [])]}
                for reply in REPLIES
                for mapper in (_build_rpc_mapper(reply), _build_http_mapper(reply))
            ),
        ]
    }


def _build_rpc_mapper(reply: Reply) -> Config:
    # The HTTP status stays as Envoy chose it, because Envoy derives grpc-status from it.
    return {
        "filter": {"and_filter": {"filters": [_build_rpc_filter(), *_build_conditions(reply)]}},
        "body_format_override": {"text_format_source": {"inline_string": reply.text}},
    }


def _build_http_mapper(reply: Reply) -> Config:
    error = {
        "code": reply.reason.name,
        "message": reply.text,
        "details": [],
        "requestId": "%REQ(X-REQUEST-ID):128%",
    }
    conditions = _build_conditions(reply)
    mapper: Config = {
        "filter": conditions[0] if len(conditions) == 1 else {"and_filter": {"filters": conditions}},
        "status_code": reply.reason.info.http_status,
        "body_format_override": {"json_format": {"success": False, "error": error}},
    }
    if reply.reason.info.retryable:
        header = {"key": "retry-after", "value": str(RETRY_AFTER_SECONDS)}
        mapper["headers_to_add"] = [{"header": header, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}]
    return mapper


def _build_conditions(reply: Reply) -> list[Config]:
    operator, status = ("EQ", reply.status) if reply.status else ("GE", _FIRST_ERROR_STATUS)
    value = {"default_value": status, "runtime_key": "edge.reply_status"}
    conditions: list[Config] = [{"status_code_filter": {"comparison": {"op": operator, "value": value}}}]
    if reply.detail:
        conditions.append({"extension_filter": _build_detail_filter(reply.detail)})
    return conditions


def _build_detail_filter(part: str) -> Config:
    expression = f"response.code_details.contains('{part}')"
    return build_extension(
        _CEL, "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter", expression=expression
    )


def _build_rpc_filter() -> Config:
    return {"header_filter": {"header": {"name": "content-type", "string_match": {"prefix": "application/grpc"}}}}
