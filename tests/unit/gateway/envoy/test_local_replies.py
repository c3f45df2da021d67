"""Tests of the responses of the edge itself."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2

from gateway.envoy.local_replies import REPLIES, Reply, build_local_replies
from gateway.envoy.settings import EdgeSettings
from services.common.errors import Reason

LISTED = EdgeSettings(_env_file=None, jwt_jwks_file=Path("keys"), allowed_origin="https://a.example, https://b.example")
MAPPERS: list[dict[str, Any]] = build_local_replies(LISTED)["mappers"]
HANDLED = {400, 401, 403, 404, 408, 413, 426, 429, 431, 500, 501, 502, 503, 504}


def test_every_status_that_envoy_chooses_has_a_reason() -> None:
    assert {reply.status for reply in REPLIES if not reply.and_above} == HANDLED
    assert [(reply.status, reply.keeps_status) for reply in REPLIES if reply.and_above] == [(500, True), (400, True)]
    assert all(reply.and_above for reply in REPLIES[-2:])


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: f"{reply.status}-{reply.detail}")
def test_a_row_with_a_detail_comes_before_the_general_row(reply: Reply) -> None:
    alike = [other for other in REPLIES if (other.status, other.and_above) == (reply.status, reply.and_above)]
    assert [other for other in alike if not other.detail][:1] in ([alike[-1]], [])


def test_over_http_the_status_is_that_of_the_reason() -> None:
    for reply, mapper in zip(REPLIES, MAPPERS[2::2], strict=True):
        body = mapper["body_format_override"]["json_format"]
        assert mapper.get("status_code") == (None if reply.keeps_status else reply.reason.info.http_status)
        assert body["success"] is False
        assert body["error"].keys() == {"code", "message", "details", "requestId"}
        assert body["error"]["code"] == reply.reason.name


def test_over_grpc_the_message_is_plain() -> None:
    for mapper in MAPPERS[1::2]:
        text = mapper["body_format_override"]["text_format_source"]["inline_string"]
        assert not text.startswith("{")


def test_over_grpc_the_status_has_details() -> None:
    for reply, mapper in zip(REPLIES, MAPPERS[1::2], strict=True):
        headers = _list_headers(mapper)
        status = status_pb2.Status.FromString(base64.b64decode(headers["grpc-status-details-bin"]))
        info = error_details_pb2.ErrorInfo()
        assert status.details[0].Unpack(info)
        reason = reply.rpc_reason or reply.reason
        assert (info.domain, info.reason) == ("media", reason.name)
        assert headers["grpc-status"] == str(status.code) == str(code_pb2.Code.Value(reason.info.grpc_code))
        assert status.message == mapper["body_format_override"]["text_format_source"]["inline_string"]
        assert len(status.details) == (2 if reason.info.retryable else 1)


def test_messages_contain_no_substitution() -> None:
    assert not any("%" in reply.text for reply in REPLIES)


def test_a_retryable_reply_has_a_retry_after_header() -> None:
    retryable = {
        reply.reason
        for reply, mapper in zip(REPLIES, MAPPERS[2::2], strict=True)
        if "retry-after" in _list_headers(mapper)
    }
    assert retryable == {Reason.RATE_LIMITED, Reason.UNAVAILABLE, Reason.DEADLINE_EXCEEDED}


def _list_headers(mapper: dict[str, Any]) -> dict[str, str]:
    return {item["header"]["key"]: item["header"]["value"] for item in mapper["headers_to_add"]}


def test_every_reply_can_be_read_by_pages_of_the_allowed_origins() -> None:
    values = {_list_headers(mapper)["access-control-allow-origin"] for mapper in MAPPERS}
    origins = "['https://a.example', 'https://b.example']"
    assert values == {f"%CEL(request.headers['origin'] in {origins} ? request.headers['origin'] : '')%"}


def test_pages_of_all_origins_can_read_every_reply_by_default() -> None:
    mappers = build_local_replies(EdgeSettings(_env_file=None, jwt_jwks_file=Path("keys")))["mappers"]
    assert {_list_headers(mapper)["access-control-allow-origin"] for mapper in mappers} == {"*"}
