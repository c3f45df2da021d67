"""Tests of the responses of the edge itself."""

from __future__ import annotations

import pytest

from gateway.envoy.local_replies import REPLIES, Reply, build_local_replies
from services.common.errors import Reason

HANDLED = {400, 401, 403, 404, 408, 413, 429, 431, 502, 503, 504}


def test_every_status_that_envoy_chooses_has_a_reason() -> None:
    assert {reply.status for reply in REPLIES} == {*HANDLED, 0}
    assert REPLIES[-1].status == 0
    assert all(reply.reason in Reason for reply in REPLIES)


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: f"{reply.status}-{reply.detail}")
def test_a_row_with_a_detail_comes_before_the_general_row(reply: Reply) -> None:
    alike = [other for other in REPLIES if other.status == reply.status]
    assert [other for other in alike if not other.detail][:1] in ([alike[-1]], [])


def test_over_http_the_status_is_that_of_the_reason() -> None:
    mappers = build_local_replies()["mappers"][1::2]
    for reply, mapper in zip(REPLIES, mappers, strict=True):
        body = mapper["body_format_override"]["json_format"]
        assert mapper["status_code"] == reply.reason.info.http_status
        assert body["success"] is False
        assert body["error"].keys() == {"code", "message", "details", "requestId"}
        assert body["error"]["code"] == reply.reason.name


def test_over_grpc_the_message_is_plain() -> None:
    for mapper in build_local_replies()["mappers"][::2]:
        text = mapper["body_format_override"]["text_format_source"]["inline_string"]
        assert not text.startswith("{")


def test_messages_contain_no_substitution() -> None:
    assert not any("%" in reply.text for reply in REPLIES)


def test_a_retryable_reply_has_a_retry_after_header() -> None:
    mappers = build_local_replies()["mappers"][1::2]
    retryable = {reply.reason for reply, mapper in zip(REPLIES, mappers, strict=True) if "headers_to_add" in mapper}
    assert retryable == {Reason.RATE_LIMITED, Reason.UNAVAILABLE, Reason.DEADLINE_EXCEEDED}
