"""Fields that are not sent because the model does not support them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.common.text.directions import Kind
from services.tts.formats import FORMATS
from services.tts.providers.elevenlabs.models import CAPABILITIES, get_ignored_fields, list_directions
from services.tts.providers.elevenlabs.request import Endpoint, build_speech_request
from services.tts.providers.elevenlabs.settings import ElevenLabsSettings
from tests.unit.tts.providers.elevenlabs.speech_requests import build_spec

CONTEXT = replace(build_spec(), previous_text="before", next_text="after", language_code="en")
STITCHED = replace(CONTEXT, previous_request_ids=("a",), next_request_ids=("b",))


@pytest.mark.parametrize(
    ("model_id", "ignored"),
    [
        ("eleven_v3", {"previous_text", "next_text", "previous_request_ids", "next_request_ids"}),
        ("eleven_multilingual_v2", {"language_code", "previous_text", "next_text"}),
        ("", {"language_code", "previous_text", "next_text"}),
        ("eleven_flash_v2_5", {"previous_text", "next_text"}),
    ],
)
def test_fields_that_the_model_does_not_support_are_reported_and_not_sent(model_id: str, ignored: set[str]) -> None:
    spec = replace(STITCHED, model_id=model_id)
    assert set(get_ignored_fields(spec)) == ignored
    body = build_speech_request(spec, Endpoint.STREAM, ElevenLabsSettings("key")).json or {}
    assert ignored.isdisjoint(body)


def test_text_of_context_is_sent_if_no_request_id_replaces_it() -> None:
    spec = replace(CONTEXT, model_id="eleven_flash_v2_5", previous_request_ids=("a",))
    assert get_ignored_fields(spec) == ("previous_text",)


def test_fields_that_are_not_set_are_not_ignored() -> None:
    assert get_ignored_fields(replace(build_spec(), model_id="eleven_v3")) == ()


def test_every_format_family_is_offered() -> None:
    assert CAPABILITIES.families == {item.family for item in FORMATS.values()}
    assert CAPABILITIES.default_model_id in CAPABILITIES.models


@pytest.mark.parametrize(
    ("model_id", "kinds"),
    [
        ("", {Kind.BREAK}),
        ("eleven_multilingual_v2", {Kind.BREAK}),
        ("eleven_flash_v2_5", {Kind.BREAK}),
        ("eleven_flash_v2", {Kind.BREAK, Kind.PHONEME}),
        ("eleven_v3", {Kind.TAG}),
        ("eleven_v4", {Kind.TAG}),
        ("eleven_v4_turbo", {Kind.TAG}),
    ],
)
def test_directions_that_a_model_follows(model_id: str, kinds: set[Kind]) -> None:
    assert list_directions(model_id) == kinds
