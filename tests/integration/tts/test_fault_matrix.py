"""Failures of the provider before and after its first byte, for every shape of request."""

from __future__ import annotations

from dataclasses import dataclass, replace

import grpc
import pytest

from services.common.errors import Reason
from services.common.rpc.status import from_rpc_error
from tests.fakes.elevenlabs import FakeElevenLabs
from tests.fakes.elevenlabs_answers import (
    Answer,
    StepControl,
    build_field_errors,
    build_html_error,
    build_legacy_error,
    build_refusal,
)
from tests.integration.tts.conftest import SHAPES, StartService, request_speech

# A single sentence, so that the service cannot resume it with another call.
TEXT = "What will become of this"


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure of the provider, and the error that the caller gets."""

    answer: Answer
    reason: Reason
    silent_after_pieces: int | None = None


BEFORE_THE_FIRST_BYTE = {
    "429 concurrent (legacy)": Fault(build_legacy_error(429, "too_many_concurrent_requests"), Reason.PROVIDER_BUSY),
    "429 concurrent": Fault(build_refusal(429, "concurrent_limit_exceeded"), Reason.PROVIDER_BUSY),
    "429 rate": Fault(build_refusal(429, "rate_limit_exceeded"), Reason.PROVIDER_BUSY),
    "500": Fault(build_refusal(500, "internal_error"), Reason.PROVIDER_UNAVAILABLE),
    "502 in html": Fault(build_html_error(502), Reason.PROVIDER_UNAVAILABLE),
    "503 empty": Fault(Answer(503), Reason.PROVIDER_UNAVAILABLE),
    "quota as 401": Fault(build_legacy_error(401, "quota_exceeded"), Reason.PROVIDER_QUOTA_EXCEEDED),
    "bad key": Fault(build_refusal(401, "invalid_api_key"), Reason.PROVIDER_REJECTED_KEY),
    "voice": Fault(build_refusal(404, "voice_not_found"), Reason.VOICE_NOT_FOUND),
    "422": Fault(build_field_errors(("body", "seed")), Reason.VALIDATION_ERROR),
    "empty 200": Fault(Answer(audio=b""), Reason.GENERATION_FAILED),
    "wrong content type": Fault(Answer(content_type="text/html"), Reason.GENERATION_FAILED),
    "cut": Fault(Answer(cut_after_pieces=0), Reason.GENERATION_FAILED),
    "stall": Fault(Answer(), Reason.PROVIDER_TIMEOUT, silent_after_pieces=0),
}
AFTER_THE_FIRST_BYTE = {
    "cut": Fault(Answer(cut_after_pieces=2), Reason.GENERATION_FAILED),
    "stall": Fault(Answer(), Reason.PROVIDER_TIMEOUT, silent_after_pieces=1),
}
MATRIX = [
    pytest.param(fault, shape, id=f"{name} {when} first byte, {shape}")
    for when, faults in (("before", BEFORE_THE_FIRST_BYTE), ("after", AFTER_THE_FIRST_BYTE))
    for name, fault in faults.items()
    for shape in SHAPES
]


@pytest.mark.parametrize(("fault", "shape"), MATRIX)
async def test_a_failure_has_its_reason_and_nothing_is_cached(
    fake: FakeElevenLabs, start_service: StartService, fault: Fault, shape: str
) -> None:
    control = None if fault.silent_after_pieces is None else StepControl(fault.silent_after_pieces)
    fake.answers.append(replace(fault.answer, body_control=control))
    async with start_service(stall_seconds=0.3) as stub:
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await request_speech(stub, shape, TEXT)
        error = from_rpc_error(failure.value)
        assert error.reason is fault.reason
        assert fake.calls == 1
        await fake.wait_until_closed()
        result = await request_speech(stub, shape, TEXT)
    assert fake.calls == 2
    assert result.done is not None


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_provider_without_a_server_is_unavailable(start_service: StartService, shape: str) -> None:
    async with start_service("http://127.0.0.1:1") as stub:
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await request_speech(stub, shape, TEXT)
    assert from_rpc_error(failure.value).reason is Reason.PROVIDER_UNAVAILABLE
