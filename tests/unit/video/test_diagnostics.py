"""Diagnostics of the video service configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.common.diagnostics import Level
from services.video.diagnostics import diagnose_video
from services.video.ffmpeg import find_ffmpeg
from services.video.settings import VideoSettings


def make_settings(**fields: Any) -> VideoSettings:
    return VideoSettings(_env_file=None, **fields)


def list_messages(level: Level, **fields: Any) -> list[str]:
    return [diagnostic.message for diagnostic in diagnose_video(make_settings(**fields)) if diagnostic.level is level]


def test_the_defaults_have_no_problems() -> None:
    assert list_messages(Level.PROBLEM) == list_messages(Level.WARNING) == []
    assert "the default provider is embedded" in list_messages(Level.OK)


def test_a_token_and_a_public_url_have_no_problems() -> None:
    fields = {"replicate_api_token": "r", "public_url": "https://media.example.com"}
    assert list_messages(Level.PROBLEM, **fields) == list_messages(Level.WARNING, **fields) == []
    assert "the default provider is replicate" in list_messages(Level.OK, **fields)
    assert not any("polls replicate" in message for message in list_messages(Level.OK, **fields))


def test_the_program_and_its_limit_are_reported() -> None:
    (expected,) = (message for message in list_messages(Level.OK, ffmpeg_slots=3) if message.startswith("ffmpeg"))
    assert expected.endswith("at most 3 at once")


@pytest.mark.parametrize(
    ("fields", "level", "expected"),
    [
        ({"default_provider": "replicate"}, Level.PROBLEM, "the default provider replicate has no token"),
        ({"ffmpeg_binary": "/nowhere/ffmpeg"}, Level.PROBLEM, "/nowhere/ffmpeg"),
        ({"storage": "supabase"}, Level.PROBLEM, "SUPABASE_URL"),
        ({"replicate_api_token": "r", "replicate_model": "owner/name"}, Level.WARNING, "owner/name"),
        ({"replicate_models": "owner/name"}, Level.WARNING, "REPLICATE_MODELS does not contain REPLICATE_MODEL"),
        ({"replicate_api_token": "r"}, Level.OK, "polls replicate"),
    ],
)
def test_a_contradiction_is_reported(fields: Any, level: Level, expected: str) -> None:
    assert any(expected in message for message in list_messages(level, **fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"replicate_model": "owner/name"},
        {"replicate_models": "minimax/hailuo-02, owner/name"},
        {"default_provider": "embedded", "replicate_api_token": "r"},
    ],
)
def test_a_deliberate_choice_is_not_a_warning(fields: Any) -> None:
    assert list_messages(Level.PROBLEM, **fields) == list_messages(Level.WARNING, **fields) == []


def test_every_problem_has_a_remedy_and_no_message_contains_a_secret() -> None:
    for fields in (
        {"replicate_api_token": "secret", "replicate_model": "owner/name", "replicate_models": "other/name"},
        {"default_provider": "replicate", "ffmpeg_binary": "/nowhere/ffmpeg", "replicate_webhook_secret": "secret"},
    ):
        for diagnostic in diagnose_video(make_settings(**fields)):
            assert diagnostic.level is Level.OK or diagnostic.remedy
            assert "secret" not in f"{diagnostic.message} {diagnostic.remedy}"


def test_parts_that_a_chosen_ffmpeg_lacks_are_named(tmp_path: Path) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\necho ' V....D libx264   H.264'; echo ' ... scale fps tpad bwdif subtitles aac'\n")
    program.chmod(0o755)
    assert list_messages(Level.PROBLEM, ffmpeg_binary=str(program)) == ["ffmpeg has no tonemap, zscale"]
    assert list_messages(Level.PROBLEM, ffmpeg_binary=str(find_ffmpeg(""))) == []
