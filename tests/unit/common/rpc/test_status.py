"""Errors keep their meaning over gRPC; the text of foreign errors is dropped."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import DOMAIN, FieldViolation, MediaError, Reason, invalid
from services.common.rpc.status import from_rpc_error, to_status
from tests.fakes.grpc_server import UNARY, Call, Context, Request, Response, build_probe, run_test_server

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
keys = st.from_regex("[a-z_]{1,20}", fullmatch=True).filter(lambda key: key != "request_id")
errors = st.builds(
    MediaError,
    st.sampled_from(Reason),
    texts,
    violations=st.lists(st.builds(FieldViolation, texts, texts), max_size=3),
    retry_after_seconds=st.none() | st.floats(0, 86400),
    metadata=st.dictionaries(keys, texts, max_size=3),
)


def to_rpc_error(status: grpc.Status) -> grpc.aio.AioRpcError:
    """Return the error that the gRPC library raises when a caller receives `status`."""
    trailers = grpc.aio.Metadata(*(status.trailing_metadata or ()))
    return grpc.aio.AioRpcError(status.code, grpc.aio.Metadata(), trailers, status.details)


def parse_details(status: grpc.Status) -> status_pb2.Status:
    trailers = dict(status.trailing_metadata or ())
    content = trailers["grpc-status-details-bin"]
    assert trailers["grpc-retry-pushback-ms"] == "-1"
    assert isinstance(content, bytes)
    return status_pb2.Status.FromString(content)


@given(errors, st.sampled_from(["", "req-1"]))
def test_every_error_arrives_as_it_was_sent(error: MediaError, request_id: str) -> None:
    back = from_rpc_error(to_rpc_error(to_status(error, request_id)))
    assert (back.reason, back.message, back.violations, back.metadata) == (
        error.reason,
        error.message,
        error.violations,
        error.metadata,
    )
    if error.retry_after_seconds is None:
        assert back.retry_after_seconds is None
    else:
        assert back.retry_after_seconds == pytest.approx(error.retry_after_seconds, abs=1e-5)


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
async def test_every_reason_arrives_over_the_wire(reason: Reason) -> None:
    sent = MediaError(
        reason,
        "Was für ein Fehler: 音声.\nNext line.",
        violations=[FieldViolation("text", "must be shorter")],
        retry_after_seconds=2.5,
        metadata={"limit": "10000"},
    )

    async def unary(request: Request, context: Context) -> Response:
        raise sent

    async with run_test_server(build_probe({UNARY: unary})) as probed:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Call().run(probed.channel, UNARY)
    assert caught.value.code().name == reason.info.grpc_code
    back = from_rpc_error(caught.value)
    assert (back.reason, back.message, back.violations, back.retry_after_seconds, back.metadata) == (
        sent.reason,
        sent.message,
        sent.violations,
        sent.retry_after_seconds,
        sent.metadata,
    )


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_every_status_carries_the_reason_in_our_domain(reason: Reason) -> None:
    status = parse_details(to_status(MediaError(reason), "req-1"))
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain, dict(info.metadata)) == (reason.name, DOMAIN, {"request_id": "req-1"})
    assert code_pb2.Code.Name(status.code) == reason.info.grpc_code
    assert status.message == reason.info.meaning


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_every_reason_has_a_message_for_callers(reason: Reason) -> None:
    row = reason.info
    assert grpc.StatusCode[row.grpc_code] is not grpc.StatusCode.OK
    assert 400 <= row.http_status < 600
    assert row.meaning.endswith(".")
    assert MediaError(reason).retryable is row.retryable
    assert row.retryable == (row.http_status in (429, 503, 504))


@pytest.mark.parametrize(
    ("reason", "code", "http_status", "retryable"),
    [
        (Reason.JOB_NOT_FOUND, grpc.StatusCode.NOT_FOUND, 404, False),
        (Reason.QUOTA_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED, 429, True),
    ],
)
def test_the_reasons_of_jobs_are_in_the_table(
    reason: Reason, code: grpc.StatusCode, http_status: int, retryable: bool
) -> None:
    assert to_status(MediaError(reason), "req-1").code is code
    assert (reason.info.http_status, reason.info.retryable) == (http_status, retryable)


def test_no_two_reasons_have_the_same_info() -> None:
    assert len({reason.info for reason in Reason}) == len(Reason)
    assert len(Reason.__members__) == len(Reason)


def test_one_wrong_field_is_named_in_message_and_violation() -> None:
    error = invalid("speed", "must be at most 1.2")
    assert error.reason is Reason.VALIDATION_ERROR
    assert str(error) == error.message == "speed: must be at most 1.2"
    assert error.violations == (FieldViolation("speed", "must be at most 1.2"),)


SECRET = "db-7.internal refused: sk-live-4711"


def make_foreign_error(code: grpc.StatusCode, *details: error_details_pb2.ErrorInfo) -> grpc.aio.AioRpcError:
    packed = []
    for detail in details:
        item = any_pb2.Any()
        item.Pack(detail)
        packed.append(item)
    content = status_pb2.Status(code=code.value[0], message=SECRET, details=packed).SerializeToString()
    trailers = grpc.aio.Metadata(("grpc-status-details-bin", content))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailers, SECRET)


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
@pytest.mark.parametrize(
    "details",
    [
        (),
        (error_details_pb2.ErrorInfo(reason="QUOTA", domain="googleapis.com", metadata={"key": SECRET}),),
        (error_details_pb2.ErrorInfo(reason="VOICE_NOT_FOUND", domain="googleapis.com"),),
        (error_details_pb2.ErrorInfo(reason="NEWER_THAN_THIS", domain=DOMAIN, metadata={"key": SECRET}),),
    ],
    ids=["without details", "of another domain", "of another domain with our name", "of a reason we do not know"],
)
def test_a_foreign_failure_keeps_its_code_but_not_its_text(
    code: grpc.StatusCode, details: tuple[error_details_pb2.ErrorInfo, ...]
) -> None:
    media_error = from_rpc_error(make_foreign_error(code, *details))
    assert media_error.message == media_error.reason.info.meaning
    assert not media_error.metadata
    # CANCELLED by the other side is a server that stops as the call arrives.
    expected = "UNAVAILABLE" if code is grpc.StatusCode.CANCELLED else code.name
    assert media_error.reason.info.grpc_code == expected or media_error.reason is Reason.INTERNAL


@pytest.mark.parametrize("content", [b"\xff\xff", b"", status_pb2.Status(details=[any_pb2.Any()]).SerializeToString()])
def test_unreadable_details_are_ignored(content: bytes) -> None:
    trailers = grpc.aio.Metadata(("grpc-status-details-bin", content))
    error = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), trailers, SECRET)
    media_error = from_rpc_error(error)
    assert (media_error.reason, media_error.message) == (Reason.UNAVAILABLE, Reason.UNAVAILABLE.info.meaning)


@pytest.mark.parametrize("kind", ["ErrorInfo", "BadRequest", "RetryInfo"])
def test_an_unreadable_detail_is_ignored(kind: str) -> None:
    broken = any_pb2.Any(type_url=f"type.googleapis.com/google.rpc.{kind}", value=b"\xff\xff")
    content = status_pb2.Status(details=[broken]).SerializeToString()
    trailers = grpc.aio.Metadata(("grpc-status-details-bin", content))
    error = grpc.aio.AioRpcError(grpc.StatusCode.NOT_FOUND, grpc.aio.Metadata(), trailers, SECRET)
    assert from_rpc_error(error).reason is Reason.NOT_FOUND
