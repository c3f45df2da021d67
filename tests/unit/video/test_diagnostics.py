"""What contradicts itself in the configuration of the video service."""

from __future__ import annotations

from typing import Any

import pytest

from services.common.diagnostics import Level
from services.video.diagnostics import diagnostics
from services.video.settings import VideoSettings


def settings(**fields: Any) -> VideoSettings:
    return VideoSettings(_env_file=None, **fields)


def found(level: Level, **fields: Any) -> list[str]:
    return [diagnostic.message for diagnostic in diagnostics(settings(**fields)) if diagnostic.level is level]


def test_without_anything_all_is_well() -> None:
    assert found(Level.PROBLEM) == found(Level.WARNING) == []
    assert "embedded makes videos by default" in found(Level.OK)


def test_with_a_token_and_a_public_address_all_is_well() -> None:
    fields = {"replicate_api_token": "r", "public_url": "https://media.example.com"}
    assert found(Level.PROBLEM, **fields) == found(Level.WARNING, **fields) == []
    assert "replicate makes videos by default" in found(Level.OK, **fields)
    assert not any("asked for its progress" in message for message in found(Level.OK, **fields))


def test_which_ffmpeg_runs_and_how_often_is_told() -> None:
    (said,) = (message for message in found(Level.OK, ffmpeg_slots=3) if message.startswith("ffmpeg"))
    assert said.endswith(", 3 at once")


@pytest.mark.parametrize(
    ("fields", "level", "said"),
    [
        ({"default_provider": "replicate"}, Level.PROBLEM, "replicate makes videos by default and has no token"),
        ({"ffmpeg_binary": "/nowhere/ffmpeg"}, Level.PROBLEM, "/nowhere/ffmpeg"),
        ({"storage": "supabase"}, Level.PROBLEM, "SUPABASE_URL"),
        ({"replicate_api_token": "r", "replicate_model": "owner/name"}, Level.WARNING, "owner/name"),
        ({"replicate_models": "owner/name"}, Level.WARNING, "REPLICATE_MODELS does not contain REPLICATE_MODEL"),
        ({"replicate_api_token": "r"}, Level.OK, "replicate is asked for its progress"),
    ],
)
def test_what_contradicts_itself_is_found(fields: Any, level: Level, said: str) -> None:
    assert any(said in message for message in found(level, **fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"replicate_model": "owner/name"},
        {"replicate_models": "minimax/hailuo-02, owner/name"},
        {"default_provider": "embedded", "replicate_api_token": "r"},
    ],
)
def test_what_is_as_meant_is_no_warning(fields: Any) -> None:
    assert found(Level.PROBLEM, **fields) == found(Level.WARNING, **fields) == []


def test_every_diagnostic_that_is_not_well_says_what_to_do_and_none_holds_a_secret() -> None:
    for fields in (
        {"replicate_api_token": "secret", "replicate_model": "owner/name", "replicate_models": "other/name"},
        {"default_provider": "replicate", "ffmpeg_binary": "/nowhere/ffmpeg", "replicate_webhook_secret": "secret"},
    ):
        for diagnostic in diagnostics(settings(**fields)):
            assert diagnostic.level is Level.OK or diagnostic.remedy
            assert "secret" not in f"{diagnostic.message} {diagnostic.remedy}"
