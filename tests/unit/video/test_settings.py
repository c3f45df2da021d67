"""Settings of the video service."""

from __future__ import annotations

from typing import Any

import pytest

from services.common.settings import ConfigurationError, load
from services.video.settings import VideoSettings


def make_settings(**fields: Any) -> VideoSettings:
    return VideoSettings(_env_file=None, **fields)


@pytest.mark.parametrize(
    ("fields", "default"),
    [
        ({}, "embedded"),
        ({"replicate_api_token": "r"}, "replicate"),
        ({"replicate_api_token": "r", "default_provider": "embedded"}, "embedded"),
        ({"default_provider": "replicate"}, "replicate"),
    ],
)
def test_replicate_is_the_default_if_it_has_a_token(fields: Any, default: str) -> None:
    assert make_settings(**fields).provider_by_default == default


@pytest.mark.parametrize(
    ("given", "models"),
    [
        ("", ()),
        (" , ,", ()),
        ("minimax/hailuo-02", ("minimax/hailuo-02",)),
        (" a/b , c/d,", ("a/b", "c/d")),
    ],
)
def test_allowed_models_are_separated_by_commas(given: str, models: tuple[str, ...]) -> None:
    assert make_settings(replicate_models=given).allowed_models == models


@pytest.mark.parametrize(
    ("public_url", "webhook_url"),
    [
        ("https://media.example.com", "https://media.example.com/webhooks/replicate"),
        ("https://media.example.com/", "https://media.example.com/webhooks/replicate"),
        ("https://example.com/media", "https://example.com/media/webhooks/replicate"),
        ("http://127.0.0.1:8080", ""),
    ],
)
def test_the_webhook_url_is_https_only(public_url: str, webhook_url: str) -> None:
    assert make_settings(public_url=public_url).webhook_url == webhook_url


def test_without_a_public_url_there_is_no_webhook_url() -> None:
    assert make_settings().webhook_url == ""


def test_the_default_is_one_ffmpeg_per_core(monkeypatch: pytest.MonkeyPatch) -> None:
    assert make_settings().ffmpeg_slots >= 1
    assert make_settings(ffmpeg_slots=7).ffmpeg_slots == 7
    monkeypatch.setattr("os.cpu_count", lambda: None)
    assert make_settings().ffmpeg_slots == 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("VIDEO_DEFAULT_PROVIDER", "sora"),
        ("VIDEO_PORT", "70000"),
        ("VIDEO_METRICS_PORT", "-1"),
        ("VIDEO_MAX_ATTEMPTS", "0"),
        ("VIDEO_MAX_PRODUCTIONS", "0"),
        ("VIDEO_MAX_INPUT_BYTES", "0"),
        ("VIDEO_MAX_SECONDS", "0"),
        ("VIDEO_FFMPEG_SLOTS", "0"),
        ("VIDEO_FFMPEG_TIMEOUT_SECONDS", "0"),
        ("VIDEO_WORKERS", "0"),
        ("REPLICATE_BASE_URL", "api.replicate.com"),
        ("REPLICATE_MODEL", "../predictions"),
        ("REPLICATE_MODEL", "hailuo-02"),
        ("REPLICATE_MODEL", "minimax/hailuo-02:latest"),
        ("REPLICATE_WAIT_SECONDS", "61"),
        ("REPLICATE_MAX_CONCURRENT_CALLS", "0"),
        ("MEDIA_STORAGE", "ftp"),
        ("MEDIA_FETCH_ALLOW", "a b"),
    ],
)
def test_a_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=variable):
        load(VideoSettings)


@pytest.mark.parametrize("model", ["minimax/hailuo-02", "a/b.c_d-e", f"owner/name:{'0af' * 21}b"])
def test_a_model_may_be_named_with_its_version(monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    monkeypatch.setenv("REPLICATE_MODEL", model)
    assert load(VideoSettings).replicate_model == model


def test_no_secret_is_shown() -> None:
    shown = make_settings(replicate_api_token="hidden", replicate_webhook_secret="hidden", mongodb_uri="hidden")
    assert "hidden" not in repr(shown)
