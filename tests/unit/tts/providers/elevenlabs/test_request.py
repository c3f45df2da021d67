"""Requests to the API, compared with recorded requests of the official client."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from services.common.errors import MediaError
from services.tts.formats import DEFAULT_FORMAT, FORMATS
from services.tts.providers.elevenlabs.provider import open_client
from services.tts.providers.elevenlabs.request import (
    Endpoint,
    ProviderRequest,
    build_speech_request,
    build_voices_request,
    choose_endpoint,
)
from services.tts.providers.elevenlabs.settings import ElevenLabsSettings
from services.tts.providers.interface import SpeechSpec, Voice, VoiceSettings
from tests.fakes.elevenlabs import FakeElevenLabs, RecordedRequest
from tests.unit.tts.providers.elevenlabs.speech_requests import VOICE, build_spec

GOLDEN = Path(__file__).parents[4] / "golden" / "elevenlabs"

PLAIN = ElevenLabsSettings("EL_KEY")
TUNED = replace(PLAIN, enable_logging=True, optimize_streaming_latency=0)

MINIMAL = SpeechSpec(text="Hi", voice=VOICE, output_format=DEFAULT_FORMAT)
STITCHED = replace(MINIMAL, previous_request_ids=("a", "b"), next_request_ids=("c",))
FULL = replace(
    MINIMAL,
    model_id="eleven_flash_v2_5",
    language_code="en",
    settings=VoiceSettings(stability=0.5, similarity_boost=0.75, style=0.0, speed=1.1, use_speaker_boost=True),
    seed=7,
    previous_text="before",
    next_text="after",
    apply_text_normalization="auto",
)

CASES = {
    "tts.convert.full": (FULL, Endpoint.WHOLE, TUNED),
    "tts.convert.minimal": (MINIMAL, Endpoint.WHOLE, PLAIN),
    "tts.request_stitching": (STITCHED, Endpoint.WHOLE, PLAIN),
    "tts.stream": (replace(FULL, output_format=FORMATS["pcm_24000"]), Endpoint.STREAM, TUNED),
    "tts.stream_with_timestamps": (FULL, Endpoint.STREAM_WITH_TIMESTAMPS, TUNED),
    "tts.with_timestamps": (FULL, Endpoint.WHOLE_WITH_TIMESTAMPS, TUNED),
}


def golden(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((GOLDEN / f"{name}.json").read_text())
    return content


def sort_query(pairs: Iterable[Sequence[str]]) -> list[tuple[str, str]]:
    query = [(name, value) for name, value in pairs]
    # The provider always sends the format; without one, the API uses this format.
    if "output_format" not in dict(query):
        query.append(("output_format", DEFAULT_FORMAT.name))
    return sorted(query)


async def send(fake: FakeElevenLabs, request: ProviderRequest, settings: ElevenLabsSettings) -> RecordedRequest:
    """Send `request` as the provider does, and return what the fake received."""
    settings = replace(settings, base_url=fake.base_url)
    async with open_client(settings) as client:
        # The fake refuses the recorded key; only the request matters here.
        with pytest.raises(MediaError):
            await client.request(request.method, request.build_url(settings.base_url), request.json, work_started=False)
    return fake.requests[-1]


def to_comparable(sent: RecordedRequest, header_names: Iterable[str]) -> dict[str, Any]:
    return {
        "method": sent.method,
        "path": sent.path,
        "query": sort_query(sent.query),
        "body": sent.json,
        "semantic_headers": {name: sent.headers[name] for name in header_names},
    }


def test_every_recorded_speech_request_is_compared() -> None:
    assert {path.stem for path in GOLDEN.glob("tts.*.json")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
async def test_a_speech_request_equals_the_official_clients(fake: FakeElevenLabs, name: str) -> None:
    spec, endpoint, settings = CASES[name]
    recorded = golden(name)
    sent = await send(fake, build_speech_request(spec, endpoint, settings), settings)
    assert to_comparable(sent, recorded["semantic_headers"]) == recorded | {"query": sort_query(recorded["query"])}


async def test_a_voices_request_equals_the_official_clients(fake: FakeElevenLabs) -> None:
    recorded = golden("voices.search_v2")
    sent = await send(fake, build_voices_request("TOK"), PLAIN)
    assert (sent.method, sent.path, sent.json) == (recorded["method"], recorded["path"], recorded["body"])
    assert {name: sent.headers[name] for name in recorded["semantic_headers"]} == recorded["semantic_headers"]
    assert "content-type" not in sent.headers
    assert dict(sent.query)["next_page_token"] == dict(recorded["query"])["next_page_token"]
    assert set(dict(sent.query)) <= set(dict(recorded["query"]))


def test_the_first_page_of_voices_has_no_token() -> None:
    assert build_voices_request().query == (("page_size", "100"),)


@pytest.mark.parametrize("output_format", FORMATS)
@pytest.mark.parametrize("with_alignment", [False, True])
def test_only_wav_is_requested_in_one_piece(output_format: str, with_alignment: bool) -> None:
    endpoint = choose_endpoint(build_spec(output_format), with_alignment=with_alignment)
    assert endpoint.value.endswith("/with-timestamps") == with_alignment
    assert endpoint.value.startswith("/stream") == (not output_format.startswith("wav"))


def test_false_and_zero_are_sent() -> None:
    settings = VoiceSettings(style=0.0, use_speaker_boost=False)
    request = build_speech_request(replace(MINIMAL, settings=settings, seed=0), Endpoint.STREAM, PLAIN)
    assert request.json == {"text": "Hi", "seed": 0, "voice_settings": {"style": 0.0, "use_speaker_boost": False}}


def test_zero_retention_is_requested_in_the_query() -> None:
    request = build_speech_request(MINIMAL, Endpoint.STREAM, replace(PLAIN, enable_logging=False))
    assert ("enable_logging", "false") in request.query


def test_a_region_is_not_sent() -> None:
    spec = replace(MINIMAL, model_id="eleven_flash_v2_5", language_code="pt-BR")
    assert (build_speech_request(spec, Endpoint.STREAM, PLAIN).json or {})["language_code"] == "pt"


def test_a_voice_id_cannot_leave_its_path_segment() -> None:
    spec = replace(MINIMAL, voice=Voice("../voices?x=#", "odd", "elevenlabs", "account"))
    assert build_speech_request(spec, Endpoint.STREAM, PLAIN).path == "/v1/text-to-speech/..%2Fvoices%3Fx%3D%23/stream"


def test_key_and_text_are_not_in_the_repr() -> None:
    shown = repr(build_speech_request(replace(MINIMAL, text="private"), Endpoint.STREAM, PLAIN)) + repr(PLAIN)
    assert "EL_KEY" not in shown
    assert "private" not in shown


def test_a_key_is_trimmed() -> None:
    assert ElevenLabsSettings(" key\n").api_key == "key"
