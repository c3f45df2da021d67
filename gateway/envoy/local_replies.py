"""Responses of the edge itself: the JSON error of the suite over HTTP, google.rpc.Status over gRPC."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.envoy.cors import build_preflight_mapper, build_refusal_headers
from gateway.envoy.settings import EdgeSettings
from gateway.envoy.typed_config import Config, build_extension
from services.common.errors import MediaError, Reason
from services.common.rpc.error_details import build_status

RETRY_AFTER_SECONDS = 1
_CEL = "envoy.access_loggers.extension_filters.cel"


@dataclass(frozen=True, slots=True)
class Reply:
    """One response of the edge."""

    status: int
    """Status that Envoy chose."""
    reason: Reason
    message: str
    """What is wrong and what to do; empty: the meaning of the reason."""
    detail: str = ""
    """Part of Envoy's response code details; tells rows of the same status apart."""
    and_above: bool = False
    """Whether all higher statuses match, too; for those that no other row matches."""
    keeps_status: bool = False
    """Whether the status stays as Envoy chose it, in place of that of the reason."""
    rpc_reason: Reason | None = None
    """The reason over gRPC, if it is another one."""

    @property
    def text(self) -> str:
        """The message that the caller reads."""
        return self.message or self.reason.info.meaning

    @property
    def rpc_error(self) -> MediaError:
        """The error over gRPC."""
        reason, text = (self.rpc_reason, "") if self.rpc_reason else (self.reason, self.text)
        return MediaError(reason, text, retry_after_seconds=RETRY_AFTER_SECONDS if reason.info.retryable else None)


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
    Reply(
        403,
        Reason.VALIDATION_ERROR,
        "No route changes to another protocol, such as WebSocket; send the request without `upgrade`.",
        detail="upgrade_failed",
    ),
    Reply(403, Reason.PERMISSION_DENIED, ""),
    Reply(
        404,
        Reason.NOT_FOUND,
        "There is no route for this path and method; GET /openapi.json lists the routes.",
        rpc_reason=Reason.UNIMPLEMENTED,
    ),
    Reply(408, Reason.DEADLINE_EXCEEDED, "The request did not arrive in time; send it again."),
    Reply(413, Reason.PAYLOAD_TOO_LARGE, ""),
    Reply(
        426,
        Reason.VALIDATION_ERROR,
        "HTTP/1.0 cannot show where a stream was cut; send the request with HTTP/1.1 or HTTP/2.",
        keeps_status=True,
    ),
    Reply(429, Reason.RATE_LIMITED, ""),
    Reply(
        431,
        Reason.VALIDATION_ERROR,
        "The request headers are too large; send fewer or shorter ones.",
        keeps_status=True,
    ),
    Reply(500, Reason.INTERNAL, ""),
    Reply(
        501,
        Reason.VALIDATION_ERROR,
        "The transfer coding of the body is unknown; send a content-length, or `transfer-encoding: chunked`.",
    ),
    Reply(502, Reason.UNAVAILABLE, ""),
    Reply(503, Reason.UNAVAILABLE, ""),
    Reply(504, Reason.DEADLINE_EXCEEDED, "No answer came in time; retry, or ask for less."),
    Reply(500, Reason.UNAVAILABLE, "", and_above=True, keeps_status=True),
    Reply(
        400,
        Reason.VALIDATION_ERROR,
        "The edge does not accept this request; its status names what is wrong.",
        and_above=True,
        keeps_status=True,
    ),
)
"""All rows; the first that matches decides."""


def build_local_replies(settings: EdgeSettings) -> Config:
    """Return the mappers from Envoy's own responses to those of REPLIES."""
    headers = build_refusal_headers(settings)
    return {
        "mappers": [
            build_preflight_mapper(settings),
            *(
                {**mapper, "headers_to_add": [*headers, *mapper["headers_to_add"]]}
                for reply in REPLIES
                for mapper in (_build_rpc_mapper(reply), _build_http_mapper(reply))
            ),
        ]
    }


def _build_rpc_mapper(reply: Reply) -> Config:
    error = reply.rpc_error
    status = build_status(error)
    # The HTTP status of an answer over gRPC is always 200; without grpc-status, Envoy would derive one from its own.
    headers = {
        "grpc-status": str(status.code),
        "grpc-status-details-bin": base64.b64encode(status.SerializeToString()).decode(),
    }
    return {
        "filter": {"and_filter": {"filters": [_build_rpc_filter(), *_build_conditions(reply)]}},
        "headers_to_add": _build_headers(headers),
        "body_format_override": {"text_format_source": {"inline_string": error.message}},
    }


def _build_http_mapper(reply: Reply) -> Config:
    error = {
        "code": reply.reason.name,
        "message": reply.text,
        "details": [],
        "requestId": "%REQ(X-REQUEST-ID):128%",
    }
    conditions = _build_conditions(reply)
    headers = {"retry-after": str(RETRY_AFTER_SECONDS)} if reply.reason.info.retryable else {}
    return {
        "filter": conditions[0] if len(conditions) == 1 else {"and_filter": {"filters": conditions}},
        **({} if reply.keeps_status else {"status_code": reply.reason.info.http_status}),
        "headers_to_add": _build_headers(headers),
        "body_format_override": {"json_format": {"success": False, "error": error}},
    }


def _build_headers(headers: Mapping[str, str]) -> list[Config]:
    return [
        {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        for key, value in headers.items()
    ]


def _build_conditions(reply: Reply) -> list[Config]:
    operator = "GE" if reply.and_above else "EQ"
    value = {"default_value": reply.status, "runtime_key": "edge.reply_status"}
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
